;; A component of the world in crates/toolexec-sandbox/wit/toolexec.wit, as a compiler makes one:
;; it calls math:add with its inputs, and its value is what that gives; see docs/wasm.md.
;; component.wasm is made of it: wasm-tools parse component.wat -o component.wasm
(component
  (import "toolexec:program/host@0.1.0" (instance $host
    (export "call" (type $call (sub resource)))
    (export "run" (func (param "tool" string) (param "args" string) (result (own $call))))
    (export "[method]call.wait"
      (func (param "self" (borrow $call)) (result (result string (error string)))))))
  (alias export $host "call" (type $call))
  (alias export $host "run" (func $run))
  (alias export $host "[method]call.wait" (func $wait))

  ;; Texts that come from outside are put where `realloc` says; nothing is freed.
  (core module $Memory
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $memory (instantiate $Memory))
  (core func $run (canon lower (func $run) (memory (core memory $memory "memory"))))
  (core func $wait (canon lower (func $wait)
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $drop (canon resource.drop $call))

  (core module $Program
    (import "memory" "memory" (memory 2))
    (import "host" "run" (func $run (param i32 i32 i32 i32) (result i32)))
    (import "host" "wait" (func $wait (param i32 i32)))
    (import "host" "drop" (func $drop (param i32)))
    (data (i32.const 0) "math:add")
    (func (export "main") (param $inputs i32) (param $len i32) (result i32) (local $call i32)
      (local.set $call
        (call $run (i32.const 0) (i32.const 8) (local.get $inputs) (local.get $len)))
      ;; A result at 16: whether it is an error, then the address and length of its text. That of
      ;; the call is that of the program.
      (call $wait (local.get $call) (i32.const 16))
      (call $drop (local.get $call))
      (i32.const 16)))
  (core instance $program (instantiate $Program
    (with "memory" (instance $memory))
    (with "host" (instance
      (export "run" (func $run))
      (export "wait" (func $wait))
      (export "drop" (func $drop))))))

  (func (export "main") (param "inputs" string) (result (result string (error string)))
    (canon lift (core func $program "main")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
