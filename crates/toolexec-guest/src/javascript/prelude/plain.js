// What becomes of values that JSON does not know, on their way out of a program.
(function (native, core) {
  "use strict";
  const { apply, getPrototypeOf } = Reflect;
  const { hasOwn, prototype: ObjectPrototype } = Object;
  const getter = (type, name) => Object.getOwnPropertyDescriptor(type.prototype, name).get;
  const mapSize = getter(Map, "size");
  const setSize = getter(Set, "size");
  const mapEach = Map.prototype.forEach;
  const setEach = Set.prototype.forEach;
  const isView = ArrayBuffer.isView;
  const text = String;
  const NewPromise = Promise;
  const AnyError = Error;
  const WrongType = TypeError;
  const wellFormed = String.prototype.toWellFormed;

  const is = (brand, value) => {
    try {
      apply(brand, value, []);
      return true;
    } catch {
      return false;
    }
  };

  // For an object with a prototype of its own: what stands for it in JSON, or itself.
  function plain(value) {
    const prototype = getPrototypeOf(value);
    // Most values are plain objects; asking for brands throws, which takes long. What is put on
    // the prototype of all objects stands for none of them.
    if (prototype === ObjectPrototype || prototype === null) {
      return hasOwn(value, "toJSON") && typeof value.toJSON === "function" ? value.toJSON() : value;
    }
    if (value instanceof NewPromise) {
      throw new WrongType("a promise has no value yet: put `await` before the call that made it");
    }
    if (typeof value.toJSON === "function") return value.toJSON();
    if (is(mapSize, value)) {
      const object = {};
      apply(mapEach, value, [(item, key) => core.show(object, text(key), item)]);
      return object;
    }
    if (is(setSize, value) || isView(value)) {
      const items = [];
      const add = (item) => void core.show(items, text(items.length), item);
      if (isView(value)) for (let i = 0; i < value.length; i++) add(value[i]);
      else apply(setEach, value, [add]);
      return items;
    }
    if (value instanceof AnyError) {
      const object = { name: text(value.name), message: text(value.message) };
      for (const key in value) core.show(object, key, value[key]);
      return object;
    }
    return value;
  }
  return { __proto__: null, plain, wellFormed: (value) => apply(wellFormed, value, []) };
})
