//! What two types have in common.

use super::Lowering;
use crate::types::model::{Doc, Field, Object, Rest, Tuple, Type};

/// The most alternatives that come out of two unions.
const MAX_ALTERNATIVES: usize = 64;
/// How deep two types are compared.
const MAX_DEPTH: usize = 8;

impl Lowering<'_> {
    /// The values that are of both types.
    pub(super) fn both(&self, a: Type, b: Type) -> Type {
        self.meet(a, b, MAX_DEPTH)
    }

    fn meet(&self, a: Type, b: Type, depth: usize) -> Type {
        let Some(depth) = depth.checked_sub(1) else {
            return a;
        };
        match (a, b) {
            (Type::Any(why), Type::Any(other)) => Type::Any(why.or(other)),
            (Type::Any(_), other) | (other, Type::Any(_)) => other,
            (Type::Never, _) | (_, Type::Never) => Type::Never,
            (a, b) if a == b => a,
            (Type::Named(id), other) | (other, Type::Named(id)) => {
                self.meet_named(id, other, depth)
            }
            (Type::Union(members), other) => alternatives(
                members
                    .into_iter()
                    .map(|one| self.meet(one, other.clone(), depth)),
            ),
            (other, Type::Union(members)) => alternatives(
                members
                    .into_iter()
                    .map(|one| self.meet(other.clone(), one, depth)),
            ),
            (Type::Object(a), Type::Object(b)) => self.meet_objects(a, b, depth),
            (Type::List(a), Type::List(b)) => Type::List(Box::new(self.meet(*a, *b, depth))),
            (Type::Tuple(tuple), Type::List(item)) | (Type::List(item), Type::Tuple(tuple)) => {
                self.meet_tuple(tuple, &item, depth)
            }
            (Type::Integer, Type::Number) | (Type::Number, Type::Integer) => Type::Integer,
            (Type::Literal(value), plain) | (plain, Type::Literal(value))
                if plain.takes_literal(&value) =>
            {
                Type::Literal(value)
            }
            // Nobody writes a schema that allows nothing: the first is what is meant.
            (tuple @ Type::Tuple(_), Type::Tuple(_)) => tuple,
            _ => Type::Never,
        }
    }

    fn meet_named(&self, id: usize, other: Type, depth: usize) -> Type {
        // While it is read, a type cannot be joined with another one.
        if self.places[id].open_at.is_some() {
            return other;
        }
        match (&self.named[id].ty, &other) {
            (Type::Object(_), Type::Object(object)) if says_nothing(object) => Type::Named(id),
            (ty, _) => self.meet(ty.clone(), other, depth),
        }
    }

    fn meet_objects(&self, a: Object, b: Object, depth: usize) -> Type {
        let mut fields = a.fields;
        for field in b.fields {
            match fields.iter_mut().find(|known| known.name == field.name) {
                Some(known) => self.meet_fields(known, field, depth),
                None => fields.push(field),
            }
        }
        let impossible = |field: &Field| field.required && field.ty == Type::Never;
        if fields.iter().any(impossible) {
            return Type::Never;
        }
        // Strictly, a closed object has none of the other's fields; nobody means that.
        let rest = match (a.rest, b.rest) {
            (Rest::Closed, _) | (_, Rest::Closed) => Rest::Closed,
            (Rest::Unsaid, rest) | (rest, Rest::Unsaid) => rest,
            (Rest::Open(a), Rest::Open(b)) => Rest::Open(Box::new(self.meet(*a, *b, depth))),
        };
        Type::Object(Object { fields, rest })
    }

    fn meet_fields(&self, known: &mut Field, field: Field, depth: usize) {
        known.required |= field.required;
        let ty = std::mem::replace(&mut known.ty, Type::Never);
        known.ty = self.meet(ty, field.ty, depth);
        let Doc { text, facts } = field.doc;
        if known.doc.text.is_empty() {
            known.doc.text = text;
        }
        for fact in facts {
            if !known.doc.facts.contains(&fact) {
                known.doc.facts.push(fact);
            }
        }
    }

    fn meet_tuple(&self, tuple: Tuple, item: &Type, depth: usize) -> Type {
        let met = |ty: Type| self.meet(ty, item.clone(), depth);
        Type::Tuple(Tuple {
            items: tuple.items.into_iter().map(met).collect(),
            required: tuple.required,
            rest: tuple.rest.map(|rest| Box::new(met(*rest))),
        })
    }
}

fn alternatives(met: impl Iterator<Item = Type>) -> Type {
    match Type::union(met) {
        Type::Union(members) if members.len() > MAX_ALTERNATIVES => {
            Type::Any(Some("left out: too many alternatives"))
        }
        union => union,
    }
}

/// Whether any object fits.
fn says_nothing(object: &Object) -> bool {
    object.fields.is_empty()
        && match &object.rest {
            Rest::Unsaid => true,
            Rest::Open(ty) => matches!(**ty, Type::Any(_)),
            Rest::Closed => false,
        }
}
