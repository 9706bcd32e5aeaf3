package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// checkAll checks the module in dir for each of the platforms, and returns what is wrong, as
// lines of "platform: file:line:column: what".
func checkAll(ctx context.Context, dir string, platforms []string) (faults []string, err error) {
	known, err := exec.CommandContext(ctx, "go", "tool", "dist", "list").Output()
	if err != nil {
		return nil, fmt.Errorf("go tool dist list: %w", err)
	}
	for _, platform := range platforms {
		if !slices.Contains(strings.Fields(string(known)), platform) {
			return nil, fmt.Errorf("%q is no platform: go tool dist list has those that are", platform)
		}
	}
	s := source{fset: token.NewFileSet(), files: make(map[string]*parsed)}
	results := make([]result, len(platforms))
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, platform := range platforms {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			results[i].faults, results[i].err = s.check(ctx, dir, platform)
		})
	}
	all.Wait()
	for _, r := range results {
		faults = append(faults, r.faults...)
		err = errors.Join(err, r.err)
	}
	return faults, err
}

type result struct {
	faults []string
	err    error
}

// source is what has been read so far. Platforms share it: most files are those of all.
type source struct {
	fset *token.FileSet

	mu    sync.Mutex // guards files
	files map[string]*parsed
}

type parsed struct {
	once sync.Once
	file *ast.File
	err  error
}

func (s *source) parse(path string) (*ast.File, error) {
	s.mu.Lock()
	p := s.files[path]
	if p == nil {
		p = &parsed{}
		s.files[path] = p
	}
	s.mu.Unlock()
	p.once.Do(func() { p.file, p.err = parser.ParseFile(s.fset, path, nil, parser.SkipObjectResolution) })
	return p.file, p.err
}

// listed is a package as `go list` describes it.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	Standard   bool
	Module     *struct {
		Main      bool
		GoVersion string
	}
	Error *struct{ Err string }
}

// list returns the packages and tests of a module for a platform, each behind what it imports.
func list(ctx context.Context, dir, platform string) ([]listed, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Standard,Module,Error", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list for %s: %w: %s", platform, err, bytes.TrimSpace(said.Bytes()))
	}
	var packages []listed
	for d := json.NewDecoder(&out); ; {
		var p listed
		switch err := d.Decode(&p); {
		case err == io.EOF:
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("go list for %s: %w", platform, err)
		}
		packages = append(packages, p)
	}
}

// check checks the module for one platform.
func (s *source) check(ctx context.Context, dir, platform string) (faults []string, err error) {
	packages, err := list(ctx, dir, platform)
	if err != nil {
		return nil, err
	}
	_, goarch, _ := strings.Cut(platform, "/")
	sizes := types.SizesFor("gc", goarch)
	note := func(fault string) {
		// A package that has tests is checked with and without them.
		if fault = platform + ": " + fault; !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	checked := map[string]*types.Package{"unsafe": types.Unsafe}
	for _, p := range packages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if p.Error != nil {
			note(p.ImportPath + ": " + p.Error.Err)
			continue
		}
		// The program of a test is made by the go command.
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := s.parse(filepath.Join(p.Dir, name))
			if err != nil {
				note(err.Error())
				continue
			}
			files = append(files, f)
		}
		own := p.Module != nil && p.Module.Main
		conf := types.Config{
			Sizes: sizes,
			// What others have released is only asked what it declares.
			IgnoreFuncBodies: !own,
			Importer: importer(func(path string) (*types.Package, error) {
				if mapped := p.ImportMap[path]; mapped != "" {
					path = mapped
				}
				if t := checked[path]; t != nil {
					return t, nil
				}
				return nil, fmt.Errorf("package %s has not been checked", path)
			}),
			Error: func(err error) {
				if own {
					note(err.Error())
				}
			},
		}
		if p.Module != nil && p.Module.GoVersion != "" {
			conf.GoVersion = "go" + p.Module.GoVersion
		}
		path, _, _ := strings.Cut(p.ImportPath, " ") // without what it is compiled for
		checked[p.ImportPath], _ = conf.Check(path, s.fset, files, nil)
	}
	return faults, nil
}

// importer is a function that finds the package of an import.
type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }
