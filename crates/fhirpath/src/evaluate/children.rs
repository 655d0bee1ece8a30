//! From an element to those in it.

use super::{Flow, OFF, ON, Run, Sink};
use crate::item::{Companion, Item, Node};
use crate::refusal::Stop;
use crate::types::{Form, Member, Type};
use jsonb::{Object, Value};

impl<'v> Run<'_, 'v> {
    /// The items that stand under a key.
    #[inline]
    pub(super) fn child(
        &self,
        node: &Node<'v>,
        key: &'v str,
        companion: Option<&'v str>,
        kind: Type,
        sink: Sink<'_, 'v>,
    ) -> Flow {
        let object = match node.value {
            Some(Value::Object(object)) => object,
            _ => match self.companion(node)? {
                Some(object) => object,
                None => return ON,
            },
        };
        self.budget.take(1)?;
        match object.get(key.as_bytes())? {
            Some(Value::Array(array)) => {
                for (index, value) in array.iter().enumerate() {
                    self.budget.take(1)?;
                    let companion = companion.map_or(Companion::None, |companion| {
                        Companion::Beside(object, companion, Some(index))
                    });
                    let mut child = Node {
                        value: Some(value?),
                        companion,
                        kind,
                    };
                    if let Some(Value::Null) = child.value {
                        child.value = None;
                        if self.companion(&child)?.is_none() {
                            continue;
                        }
                    }
                    if sink(Item::Node(child))?.is_break() {
                        return OFF;
                    }
                }
                ON
            }
            None | Some(Value::Null) => match companion {
                Some(companion) => self.valueless(object, companion, kind, sink),
                None => ON,
            },
            value => {
                let companion = companion.map_or(Companion::None, |companion| {
                    Companion::Beside(object, companion, None)
                });
                sink(Item::Node(Node {
                    value,
                    companion,
                    kind,
                }))
            }
        }
    }

    /// The elements that have nothing but a companion.
    fn valueless(
        &self,
        object: Object<'v>,
        companion: &str,
        kind: Type,
        sink: Sink<'_, 'v>,
    ) -> Flow {
        let node = |companion| {
            Item::Node(Node {
                value: None,
                companion: Companion::There(companion),
                kind,
            })
        };
        match object.get(companion.as_bytes())? {
            Some(Value::Object(companion)) => sink(node(companion)),
            Some(Value::Array(companions)) => {
                for companion in companions {
                    if let Value::Object(companion) = companion?
                        && sink(node(companion))?.is_break()
                    {
                        return OFF;
                    }
                }
                ON
            }
            _ => ON,
        }
    }

    /// The companion of an element, if it has one.
    pub(super) fn companion(&self, node: &Node<'v>) -> Result<Option<Object<'v>>, Stop> {
        let (object, key, index) = match node.companion {
            Companion::None => return Ok(None),
            Companion::There(object) => return Ok(Some(object)),
            Companion::Beside(object, key, index) => (object, key, index),
        };
        let companion = match (object.get(key.as_bytes())?, index) {
            (Some(Value::Array(array)), Some(index)) => {
                // Going there passes over those before.
                self.budget.take(index)?;
                array.iter().nth(index).transpose()?
            }
            (companion, _) => companion,
        };
        Ok(match companion {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        })
    }

    /// An element, by the type that the item has.
    pub(super) fn named(&self, item: &Item<'v>, name: &str, sink: Sink<'_, 'v>) -> Flow {
        let Item::Node(node) = item else { return ON };
        let mut flow = ON;
        self.types.variants(self.kind(node), name, &mut |member| {
            if matches!(flow, Ok(flow) if flow.is_continue()) {
                flow = self.child(node, member.key, member.companion, member.kind, sink);
            }
        });
        flow
    }

    /// All elements directly in an item, in the order of JSONB.
    pub(super) fn children(&self, item: &Item<'v>, sink: Sink<'_, 'v>) -> Flow {
        let Item::Node(node) = item else { return ON };
        let object = match node.value {
            Some(Value::Object(object)) => object,
            _ => match self.companion(node)? {
                Some(object) => object,
                None => return ON,
            },
        };
        let kind = self.kind(node);
        for member in object {
            let (key, _) = member?;
            self.budget.take(1)?;
            // Under the key of a companion there is an element only if it stands nowhere else.
            let key = match key.strip_prefix(b"_") {
                Some(plain) if matches!(object.get(plain)?, None | Some(Value::Null)) => plain,
                Some(_) => continue,
                None => key,
            };
            let Some(Member {
                key,
                companion,
                kind,
            }) = self.types.member(kind, key)
            else {
                continue;
            };
            if self.child(node, key, companion, kind, sink)?.is_break() {
                return OFF;
            }
        }
        ON
    }

    /// All elements in an item, and in those. On a list of its own: there can be more within each
    /// other than calls can.
    pub(super) fn descendants(&self, item: &Item<'v>, sink: Sink<'_, 'v>) -> Flow {
        let mut open = vec![item.clone()];
        while let Some(item) = open.pop() {
            let first = open.len();
            let _ = self.children(&item, &mut |child| {
                jsonb::memory::reserve(&mut open, 1)?;
                open.push(child);
                ON
            })?;
            if let Some(found) = open.get_mut(first..) {
                found.reverse();
                for child in &*found {
                    if sink(child.clone())?.is_break() {
                        return OFF;
                    }
                }
            }
        }
        ON
    }

    /// `extension(url)`
    pub(super) fn extension(&self, item: &Item<'v>, url: &Item<'v>, sink: Sink<'_, 'v>) -> Flow {
        let url = self.text(url)?;
        self.named(item, "extension", &mut |extension| {
            let mut found = false;
            let _ = self.named(&extension, "url", &mut |it| {
                found = self.string(&it) == url;
                OFF
            })?;
            if found { sink(extension) } else { ON }
        })
    }

    /// A resource that was found as any, as what it is.
    pub(super) fn retyped(&self, item: Item<'v>) -> Item<'v> {
        match item {
            Item::Node(mut node) if self.types.form(node.kind) == Form::AnyResource => {
                node.kind = self.kind(&node);
                Item::Node(node)
            }
            item => item,
        }
    }
}
