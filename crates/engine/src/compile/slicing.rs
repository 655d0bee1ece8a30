//! The slices of an array, and what tells them.

use super::Compiler;
use crate::draft::Draft;
use crate::profile::{Element, Node, Presence};
use crate::rule::{Discriminator, Exact, Order, Slice, Slicing, SlicingSetting, Told};
use jsonb::{Item, write};

/// How many levels below the path of a discriminator its values are looked for.
const DEEP: usize = 8;

impl Compiler<'_> {
    /// Compiles a slicing whose slices have these rows; what cannot be told from other items is left out, and noted.
    pub(super) fn slicing(
        &mut self,
        setting: SlicingSetting,
        mut drafts: Vec<(String, Draft)>,
        path: &str,
    ) -> Slicing {
        let mut slices = Vec::new();
        let mut order = setting.order;
        for one in setting.slices {
            let known = drafts.iter().position(|(name, _)| *name == one.name);
            let draft = known.map(|known| drafts.swap_remove(known).1);
            let under = format!("{path}:{}[]", one.name);
            let element = draft.and_then(|draft| self.element(*draft.items?, &under));
            let element = element.unwrap_or_default();
            let mut discriminators = Vec::new();
            for (kind, path) in &setting.discriminators {
                self.tell(&element, kind, path, &mut discriminators);
            }
            if discriminators.is_empty() {
                // Its items cannot be told from others, so that others cannot be refused.
                self.untold.push(under);
                order = Order::Open;
                continue;
            }
            slices.push(Slice {
                name: one.name.into(),
                min: one.min,
                max: one.max,
                discriminators: discriminators.into(),
                element,
            });
        }
        Slicing {
            order,
            ordered: setting.ordered,
            slices: slices.into(),
        }
    }

    /// Adds what a discriminator says of a slice.
    fn tell(&self, slice: &Element, kind: &str, path: &str, found: &mut Vec<Discriminator>) {
        let path: Vec<Box<str>> = match path {
            "$this" => Vec::new(),
            path => path.split('.').map(Into::into).collect(),
        };
        let Some(element) = self.at(slice, &path) else {
            // An extension has the URL of its profile.
            let profiles = slice.rules.as_ref().map(|rules| &*rules.profiles);
            if let (Some([profile]), [url]) = (profiles, &*path)
                && &**url == "url"
            {
                found.extend(by_url(self.schema.name(*profile)));
            }
            if kind == "exists" {
                found.push(Discriminator {
                    path: path.into(),
                    told: Told::Exists(false),
                });
            }
            return;
        };
        match kind {
            "exists" => found.push(Discriminator {
                path: path.into(),
                told: Told::Exists(element.presence == Presence::Required),
            }),
            "value" | "pattern" => self.values(element, path, found, DEEP),
            _ => {}
        }
    }

    /// The element at a path, through arrays.
    fn at<'e>(&'e self, element: &'e Element, path: &[Box<str>]) -> Option<&'e Element> {
        match &element.node {
            Node::Array(items) | Node::Aligned(items) => return self.at(items, path),
            _ => {}
        }
        let Some((name, rest)) = path.split_first() else {
            return Some(element);
        };
        let Node::Object(place) = &element.node else {
            return None;
        };
        let members = &self.shapes.get(*place)?.members;
        let member = members.iter().find(|member| member.name == *name)?;
        self.at(&member.element, rest)
    }

    /// Adds the values that are fixed here, or in what is here.
    fn values(
        &self,
        element: &Element,
        path: Vec<Box<str>>,
        found: &mut Vec<Discriminator>,
        deep: usize,
    ) {
        let rules = element.rules.as_ref();
        if let Some(exact) = rules.and_then(|rules| rules.exact.as_ref()) {
            found.push(Discriminator {
                path: path.into(),
                told: Told::Exact(exact.clone()),
            });
            return;
        }
        let before = found.len();
        match &element.node {
            Node::Array(items) | Node::Aligned(items) => {
                return self.values(items, path, found, deep);
            }
            Node::Object(place) if deep > 0 => {
                let members = self.shapes.get(*place).map_or(&[][..], |it| &it.members);
                for member in members {
                    let mut path = path.clone();
                    path.push(member.name.clone());
                    self.values(&member.element, path, found, deep - 1);
                }
            }
            _ => {}
        }
        if found.len() == before
            && let Some(binding) = rules.and_then(|rules| rules.binding.as_ref())
        {
            found.push(Discriminator {
                path: path.into(),
                told: Told::Binding(binding.clone()),
            });
        }
    }
}

/// What tells an extension.
fn by_url(url: &str) -> Option<Discriminator> {
    let exact = write(&Item::Text(url)).ok()?;
    Some(Discriminator {
        path: Box::new(["url".into()]),
        told: Told::Exact(Exact::new(exact, false)),
    })
}
