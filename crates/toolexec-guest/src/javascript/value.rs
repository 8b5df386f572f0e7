//! Values on their way between a program and JSON.
//!
//! | of the program | as JSON |
//! |---|---|
//! | numbers | numbers; an integral one without a fraction; not finite ones are null |
//! | `BigInt` | a number if it fits 64 bits, else an error |
//! | `undefined`, functions and symbols | left out of objects, null in arrays |
//! | what has `toJSON` (dates) | what that returns |
//! | maps, sets, typed arrays | objects, arrays, arrays |
//! | errors | `{name, message}` and their own properties |
//! | promises, what holds itself, what nests too deep | an error |

use rquickjs::{Atom, BigInt, Ctx, Exception, Filter, Function, Object, Result, Type, Value};
use serde_json::{Map, Number, Value as Json};

use crate::host::MAX_VALUE_DEPTH;

/// The most that leaves in one value, counted roughly as JSON.
const MAX_BYTES: usize = toolexec_wire::MAX_FRAME;
/// The most values in one value, lists and objects counted too: each takes memory on its way.
const MAX_VALUES: usize = 1_000_000;
/// Integers up to here are exact in a program.
const MAX_SAFE: f64 = 9_007_199_254_740_992.0;

/// What conversions need of the prelude.
pub(super) struct Converter<'js> {
    pub(super) ctx: Ctx<'js>,
    /// Stands for values that JSON does not know.
    pub(super) plain: Function<'js>,
    /// Makes a string that Rust can hold.
    pub(super) well_formed: Function<'js>,
    /// Asked from time to time: whether the program has to end.
    pub(super) stop: Box<dyn Fn() -> bool>,
}

impl<'js> Converter<'js> {
    /// The JSON of a value. A value that has none (a function) is an error.
    pub(super) fn json(&self, value: Value<'js>) -> Result<Json> {
        let mut walk = Walk {
            converter: self,
            above: Vec::new(),
            bytes: 0,
            values: 0,
            steps: 0,
        };
        if value.is_undefined() {
            return Ok(Json::Null);
        }
        let kind = value.type_of();
        match walk.value(value)? {
            Some(json) => Ok(json),
            None => Err(self.refuse(&format!(
                "a {} is no value that can leave the program; call it, or return data",
                kind.as_str()
            ))),
        }
    }

    /// The text of a string.
    pub(super) fn text(&self, value: &Value<'js>) -> Result<String> {
        let Some(string) = value.as_string() else {
            return Ok(String::new());
        };
        if let Ok(text) = string.to_string() {
            return Ok(text);
        }
        // Half of a surrogate pair.
        let well_formed: rquickjs::String<'js> = self.well_formed.call((string.clone(),))?;
        well_formed.to_string()
    }

    fn refuse(&self, message: &str) -> rquickjs::Error {
        Exception::throw_type(&self.ctx, message)
    }
}

struct Walk<'a, 'js> {
    converter: &'a Converter<'js>,
    // The objects that hold the one being looked at.
    above: Vec<Object<'js>>,
    bytes: usize,
    values: usize,
    steps: usize,
}

impl<'js> Walk<'_, 'js> {
    fn value(&mut self, value: Value<'js>) -> Result<Option<Json>> {
        self.values += 1;
        if self.values > MAX_VALUES {
            let message = format!("the value holds more than {MAX_VALUES} values");
            return Err(self.converter.refuse(&message));
        }
        self.count(1)?;
        Ok(Some(match value.type_of() {
            Type::Null => Json::Null,
            Type::Bool => Json::Bool(value.as_bool().unwrap_or_default()),
            Type::Int => Json::from(value.as_int().unwrap_or_default()),
            Type::Float => number(value.as_float().unwrap_or_default()),
            Type::String => {
                let text = self.converter.text(&value)?;
                self.count(text.len())?;
                Json::String(text)
            }
            Type::BigInt => self.big_int(&value)?,
            Type::Undefined | Type::Uninitialized | Type::Symbol => return Ok(None),
            _ if value.is_function() => return Ok(None),
            _ => match value.into_object() {
                Some(object) => return self.nested(&object),
                None => return Ok(None),
            },
        }))
    }

    fn nested(&mut self, object: &Object<'js>) -> Result<Option<Json>> {
        if self.above.contains(object) {
            return Err(self.converter.refuse("the value holds itself"));
        }
        if self.above.len() >= MAX_VALUE_DEPTH {
            let message = format!("the value nests deeper than {MAX_VALUE_DEPTH} levels");
            return Err(self.converter.refuse(&message));
        }
        self.above.push(object.clone());
        let json = self.object(object)?;
        self.above.pop();
        Ok(json)
    }

    fn object(&mut self, object: &Object<'js>) -> Result<Option<Json>> {
        if object.is_array() {
            return self.array(object).map(Some);
        }
        let plain: Value<'js> = self.converter.plain.call((object.clone(),))?;
        if plain.as_object() != Some(object) {
            return self.value(plain);
        }
        let mut map = Map::new();
        let filter = Filter::new().string().enum_only();
        for key in object.own_keys::<Atom<'js>>(filter) {
            let key = key?;
            let item: Value<'js> = object.get(key.clone())?;
            // A name may hold a zero, which ends the C string that an atom gives.
            let name = self.converter.text(&key.to_value()?)?;
            self.count(name.len())?;
            if let Some(json) = self.value(item)? {
                map.insert(name, json);
            }
        }
        Ok(Some(Json::Object(map)))
    }

    fn array(&mut self, array: &Object<'js>) -> Result<Json> {
        let length: usize = array.get("length")?;
        let mut items = Vec::new();
        for index in 0..length {
            let item: Value<'js> = array.get(u32::try_from(index).unwrap_or(u32::MAX))?;
            items.push(self.value(item)?.unwrap_or(Json::Null));
        }
        Ok(Json::Array(items))
    }

    fn big_int(&self, value: &Value<'js>) -> Result<Json> {
        let big: BigInt<'js> = value.get()?;
        // `to_i64` wraps round; only what comes back the same fits.
        let small = big.clone().to_i64()?;
        let back = BigInt::from_i64(self.converter.ctx.clone(), small)?;
        let same: Function<'js> = self.converter.ctx.eval("(a, b) => a === b")?;
        if same.call::<_, bool>((big, back))? {
            return Ok(Json::from(small));
        }
        Err(self.converter.refuse(
            "a BigInt of more than 64 bits has no JSON; make it a string with String(value)",
        ))
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        self.steps += 1;
        if self.bytes > MAX_BYTES * 2 {
            let message = format!("the value is larger than the {MAX_BYTES} bytes that can leave");
            return Err(self.converter.refuse(&message));
        }
        if self.steps.is_multiple_of(4096) && (self.converter.stop)() {
            return Err(self.converter.refuse("the program has to end"));
        }
        Ok(())
    }
}

fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < MAX_SAFE {
        #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
        return Json::from(value as i64);
    }
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}

/// The value of the program for some JSON.
pub(super) fn from_json<'js>(ctx: &Ctx<'js>, json: &Json) -> Result<Value<'js>> {
    match json {
        Json::Null => Ok(Value::new_null(ctx.clone())),
        Json::Bool(value) => Ok(Value::new_bool(ctx.clone(), *value)),
        Json::Number(value) => Ok(Value::new_number(
            ctx.clone(),
            value.as_f64().unwrap_or_default(),
        )),
        Json::String(text) => rquickjs::String::from_str(ctx.clone(), text).map(Into::into),
        // The parser of the engine defines properties; it sets none, so `__proto__` is a name.
        Json::Array(_) | Json::Object(_) => ctx.json_parse(json.to_string()),
    }
}
