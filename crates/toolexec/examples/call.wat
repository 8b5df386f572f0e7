;; Calls math:add with 5 and 3, and its value is what that gives: see docs/wasm.md.
;; call.wasm is made of it: wasm-tools parse call.wat -o call.wasm
(module
  (import "toolexec" "call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "toolexec" "wait" (func $wait (param i32) (result i64)))
  (import "toolexec" "read" (func $read (param i32 i32 i32) (result i32)))
  (import "toolexec" "result" (func $result (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "math:add")
  (data (i32.const 16) "{\"a\": 5, \"b\": 3}")
  (func (export "run") (local $handle i32) (local $len i64)
    (local.set $handle
      (call $call (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 16)))
    (local.set $len (call $wait (local.get $handle)))
    ;; A negative length is that of an error.
    (if (i64.lt_s (local.get $len) (i64.const 0)) (then unreachable))
    (drop (call $read (local.get $handle) (i32.const 64) (i32.wrap_i64 (local.get $len))))
    (call $result (i32.const 64) (i32.wrap_i64 (local.get $len)))))
