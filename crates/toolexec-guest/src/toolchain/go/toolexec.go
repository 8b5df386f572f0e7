// Package toolexec is what a snippet sees of its guest.
package toolexec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Result is what a call answered.
type Result struct {
	// Structured is the value: maps, slices, strings, float64, bool or nil.
	Structured any
	// Value is the same.
	Value any
	// Raw is the value as it came.
	Raw json.RawMessage
}

// Decode puts the value into a variable of the snippet.
func (r Result) Decode(into any) error { return json.Unmarshal(r.Raw, into) }

// String is the value as text: a string itself, anything else as JSON.
func (r Result) String() string {
	if text, ok := r.Structured.(string); ok {
		return text
	}
	return string(r.Raw)
}

// MarshalJSON gives the value.
func (r Result) MarshalJSON() ([]byte, error) {
	if r.Raw == nil {
		return []byte("null"), nil
	}
	return r.Raw, nil
}

// Step is a call of a chain.
type Step struct {
	Name        string
	ToolID      string
	Args        map[string]any
	UsePrevious bool
}

// MarshalJSON writes a step as chains have it.
func (s Step) MarshalJSON() ([]byte, error) {
	step := map[string]any{"tool": s.ToolID}
	if s.Name != "" {
		step["name"] = s.Name
	}
	if s.Args != nil {
		step["args"] = s.Args
	}
	if s.UsePrevious {
		step["use_previous"] = true
	}
	return json.Marshal(step)
}

// StepResult is what a step of a chain answered.
type StepResult struct {
	ToolID string
	Value  any
}

// ToolError is a call that failed.
type ToolError struct {
	Tool       string   `json:"tool,omitempty"`
	Code       string   `json:"code"`
	Message    string   `json:"message"`
	Violations []any    `json:"violations,omitempty"`
	Retryable  bool     `json:"retryable"`
	Value      any      `json:"value,omitempty"`
	Hints      []string `json:"hints,omitempty"`
}

func (e *ToolError) Error() string { return e.Message }

// Tools is what the snippet calls.
type Tools struct{}

// RunTool runs a tool; args is a map or a struct with JSON names.
func (Tools) RunTool(ctx context.Context, id string, args any) (Result, error) {
	if args == nil {
		args = map[string]any{}
	}
	return call(ctx, map[string]any{"op": "run", "tool": id, "args": args})
}

// Run is RunTool.
func (t Tools) Run(ctx context.Context, id string, args any) (Result, error) {
	return t.RunTool(ctx, id, args)
}

// Chain runs a chain; the answer is its outcome.
func (Tools) Chain(ctx context.Context, steps any) (Result, error) {
	return call(ctx, map[string]any{"op": "chain", "chain": steps})
}

// RunChain runs a chain and gives the value of its last step, and those of all.
func (t Tools) RunChain(ctx context.Context, steps []Step) (Result, []StepResult, error) {
	outcome, err := t.Chain(ctx, steps)
	if err != nil {
		return outcome, nil, err
	}
	var report struct {
		Value json.RawMessage `json:"value"`
		Steps []struct {
			Tool  string `json:"tool"`
			Value any    `json:"value"`
			Error *ToolError
		} `json:"steps"`
		Error *ToolError `json:"error"`
	}
	if err := outcome.Decode(&report); err != nil {
		return outcome, nil, err
	}
	all := make([]StepResult, 0, len(report.Steps))
	for _, step := range report.Steps {
		all = append(all, StepResult{ToolID: step.Tool, Value: step.Value})
		if step.Error != nil && report.Error == nil {
			report.Error = step.Error
		}
	}
	result := made(report.Value)
	if report.Error != nil {
		return result, all, report.Error
	}
	return result, all, nil
}

// Search finds tools.
func (Tools) Search(ctx context.Context, query string, limit ...int) (Result, error) {
	op := map[string]any{"op": "search", "query": query}
	if len(limit) > 0 && limit[0] > 0 {
		op["limit"] = limit[0]
	}
	return call(ctx, op)
}

// SearchTools is Search.
func (t Tools) SearchTools(ctx context.Context, query string, limit int) (Result, error) {
	return t.Search(ctx, query, limit)
}

// Describe tells about a tool; detail is summary, signature, schema or full.
func (Tools) Describe(ctx context.Context, id string, detail ...string) (Result, error) {
	op := map[string]any{"op": "describe", "tool": id}
	if len(detail) > 0 {
		op["detail"] = detail[0]
	}
	return call(ctx, op)
}

// DescribeTool is Describe.
func (t Tools) DescribeTool(ctx context.Context, id, detail string) (Result, error) {
	return t.Describe(ctx, id, detail)
}

// Examples gives the examples of a tool.
func (Tools) Examples(ctx context.Context, id string) (Result, error) {
	return call(ctx, map[string]any{"op": "examples", "tool": id})
}

// Namespaces gives the namespaces.
func (Tools) Namespaces(ctx context.Context) (Result, error) {
	return call(ctx, map[string]any{"op": "namespaces"})
}

// Log logs; level is debug, info, warning or error.
func (Tools) Log(level string, data any) {
	send(map[string]any{"type": "log", "level": level, "data": data})
}

// Progress tells how far the snippet is.
func (Tools) Progress(done, total float64, message string) {
	send(map[string]any{"type": "progress", "progress": done, "total": total, "message": message})
}

// Println prints.
func (Tools) Println(values ...any) { fmt.Println(values...) }

type answer struct {
	ID    uint64          `json:"id"`
	Ok    json.RawMessage `json:"ok"`
	Error *ToolError      `json:"error"`
}

var (
	guest   *os.File
	sending sync.Mutex
	waiting sync.Mutex
	answers = map[uint64]chan answer{}
	last    uint64
	gone    = errors.New("the guest hung up")
)

func call(ctx context.Context, op map[string]any) (Result, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	got := make(chan answer, 1)
	waiting.Lock()
	last++
	id := last
	answers[id] = got
	waiting.Unlock()
	op["type"], op["id"] = "call", id
	if err := send(op); err != nil {
		return Result{}, err
	}
	select {
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case answer, ok := <-got:
		switch {
		case !ok:
			return Result{}, gone
		case answer.Error != nil:
			return Result{}, answer.Error
		}
		return made(answer.Ok), nil
	}
}

func made(raw json.RawMessage) Result {
	var value any
	if raw != nil {
		// It was JSON on its way here.
		_ = json.Unmarshal(raw, &value)
	}
	return Result{Structured: value, Value: value, Raw: raw}
}

func send(message any) error {
	line, err := encode(message)
	if err != nil {
		return err
	}
	sending.Lock()
	defer sending.Unlock()
	_, err = guest.Write(line)
	return err
}

func encode(message any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(message)
	return line.Bytes(), err
}

func listen(from *json.Decoder) {
	for {
		var one answer
		err := from.Decode(&one)
		waiting.Lock()
		if err != nil {
			for _, got := range answers {
				close(got)
			}
			answers = map[uint64]chan answer{}
			waiting.Unlock()
			return
		}
		if got, ok := answers[one.ID]; ok {
			delete(answers, one.ID)
			got <- one
		}
		waiting.Unlock()
	}
}

// Main runs the snippet and says how it ended.
func Main(program func(inputs map[string]any) (any, error)) {
	if files := os.Getenv("TOOLEXEC_FILES"); files != "" {
		if err := os.Chdir(files); err != nil {
			fmt.Fprintln(os.Stderr, "the files of the program cannot be reached:", err)
			os.Exit(70)
		}
		os.Unsetenv("TOOLEXEC_FILES")
	}
	from, err := connect(os.Getenv("TOOLEXEC_SOCKET"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "the guest cannot be reached:", err)
		os.Exit(70)
	}
	var start struct {
		Inputs map[string]any `json:"inputs"`
	}
	decoder := json.NewDecoder(from)
	if err := decoder.Decode(&start); err != nil {
		os.Exit(70)
	}
	if start.Inputs == nil {
		start.Inputs = map[string]any{}
	}
	go listen(decoder)
	end(run(program, start.Inputs))
}

func connect(path string) (io.Reader, error) {
	socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(socket)
	if err := syscall.Connect(socket, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(socket, true); err != nil {
		return nil, err
	}
	guest = os.NewFile(uintptr(socket), "guest")
	return guest, nil
}

func run(program func(map[string]any) (any, error), inputs map[string]any) (message map[string]any) {
	defer func() {
		if thrown := recover(); thrown != nil {
			message = failed("panic", fmt.Sprint(thrown), thrown)
			place(message["error"].(map[string]any))
		}
	}()
	value, err := program(inputs)
	if err != nil {
		return failed("error", err.Error(), err)
	}
	if other, ok := value.(error); ok {
		value = other.Error()
	}
	return map[string]any{"type": "done", "value": value}
}

func failed(name, text string, thrown any) map[string]any {
	failure := map[string]any{"kind": "exception", "name": name, "message": text}
	var tool *ToolError
	if err, ok := thrown.(error); ok && errors.As(err, &tool) {
		failure["name"], failure["call"] = "ToolError", tool
	}
	return map[string]any{"type": "failed", "error": failure}
}

// place adds where a panic came from.
func place(failure map[string]any) {
	callers := make([]uintptr, 100)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	trace := []string{}
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if !strings.HasSuffix(frame.File, "program.go") {
			continue
		}
		if len(trace) == 0 {
			failure["line"] = frame.Line
		}
		name := strings.TrimPrefix(frame.Function, "main.")
		name = strings.Replace(name, "__program", "snippet", 1)
		trace = append(trace, name+" program.go:"+strconv.Itoa(frame.Line))
	}
	failure["trace"] = trace
}

func end(message map[string]any) {
	if err := send(message); err != nil {
		send(failed("error", "the value is no JSON: "+err.Error(), err))
	}
	os.Exit(0)
}

// Values makes value and error of what a snippet returned.
func Values(values []any) (any, error) {
	switch len(values) {
	case 0:
		return nil, nil
	case 1:
		if err, ok := values[0].(error); ok {
			return nil, err
		}
		return values[0], nil
	case 2:
		if err, ok := values[1].(error); ok {
			return nil, err
		}
		if values[1] == nil {
			return values[0], nil
		}
	}
	if err, ok := values[len(values)-1].(error); ok {
		return nil, err
	}
	return values, nil
}

// Int makes a whole number of an input.
func Int(value any) int {
	number, _ := value.(float64)
	return int(number)
}
