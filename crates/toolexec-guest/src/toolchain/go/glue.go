package main

import (
	"context"

	"program/toolexec"
)

var (
	tools  toolexec.Tools
	ctx    = context.Background()
	inputs map[string]any
	__out  any
)

type (
	Result     = toolexec.Result
	Step       = toolexec.Step
	StepResult = toolexec.StepResult
	ToolError  = toolexec.ToolError
)

func __v(values ...any) (any, error) { return toolexec.Values(values) }

func __int(value any) int { return toolexec.Int(value) }

func main() {
	toolexec.Main(func(given map[string]any) (any, error) {
		inputs = given
		__inputs()
		value, err := __program()
		if value == nil {
			value = __out
		}
		return value, err
	})
}
