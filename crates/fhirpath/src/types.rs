//! What the planner and the evaluation ask about types: whoever holds definitions answers.

/// A type, by the number that its [`Types`] gave it. The inside of an element (`Patient.contact`)
/// has a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type(pub u32);

/// The types of FHIRPath itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "FHIRPath names them so")]
pub enum System {
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
}

/// How the values of a type stand in JSON, and what they are to operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A scalar, with a companion for its id and extensions.
    Primitive(System),
    /// An object.
    Complex,
    /// An object that is a number with a unit.
    Quantity,
    /// An object that is a resource of this type.
    Resource,
    /// An object that is a resource of the type that it tells.
    AnyResource,
}

/// Where an element stands in its parent's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'t> {
    /// The key: of `value` as a Quantity it is `valueQuantity`.
    pub key: &'t str,
    /// The key of the companion: of `birthDate` it is `_birthDate`; nothing where there is none.
    pub companion: Option<&'t str>,
    /// The type of the element.
    pub kind: Type,
}

/// The types of a model.
pub trait Types {
    /// The type of this name, as `is` and `ofType` say it: `Patient`, `code`.
    fn named(&self, name: &str) -> Option<Type>;

    /// The type that it is derived from.
    fn base(&self, of: Type) -> Option<Type>;

    /// How its values stand in JSON.
    fn form(&self, of: Type) -> Form;

    /// Tells every place in which the element `name` can stand: one for each type of a choice. An
    /// element that the type has from its base counts; a primitive type has `id` and `extension`.
    fn variants<'t>(&'t self, of: Type, name: &str, found: &mut dyn FnMut(Member<'t>));

    /// Whether a profile leaves no room for this element, which the type that it is about has: a path
    /// to it is right, and leads to nothing.
    fn is_prohibited(&self, _of: Type, _name: &str) -> bool {
        false
    }

    /// The element that stands under this key, which is not a companion's.
    fn member<'t>(&'t self, of: Type, key: &[u8]) -> Option<Member<'t>>;

    /// Whether the one type is the other, or is derived from it.
    fn is(&self, of: Type, other: Type) -> bool {
        // No model derives so often; it may be one that goes in a circle.
        const LONGEST: usize = 32;
        let mut at = Some(of);
        for _ in 0..LONGEST {
            match at {
                Some(here) if here == other => return true,
                Some(here) => at = self.base(here),
                None => return false,
            }
        }
        false
    }
}
