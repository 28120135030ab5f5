package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// Context is a mesh that the CLI can talk to by name.
type Context struct {
	Endpoints []string `yaml:"endpoints"`
	Token     string   `yaml:"token,omitempty"`
	// Identity is a directory with ca.pem, cert.pem and key.pem.
	Identity string `yaml:"identity,omitempty"`
}

// contextFile is the user's config.yaml.
type contextFile struct {
	Current  string             `yaml:"current"`
	Contexts map[string]Context `yaml:"contexts"`
}

// SaveContext keeps a context under a name in the user's config file, and
// makes it the current one if none is. current says whether it is that now.
func SaveContext(name string, c Context) (current bool, err error) {
	f, err := loadContexts()
	if err != nil {
		return false, err
	}
	f.Contexts[name] = c
	if _, known := f.Contexts[f.Current]; !known {
		f.Current = name
	}
	return f.Current == name, f.save()
}

// configPath is config.yaml below the XDG config home.
func configPath() (string, error) {
	home := os.Getenv("XDG_CONFIG_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no place for contexts: set XDG_CONFIG_HOME or HOME: %w", err)
		}
		home = filepath.Join(user, ".config")
	}
	return filepath.Join(home, "omnirelay", "config.yaml"), nil
}

// loadContexts reads the config file; without one there are no contexts.
func loadContexts() (*contextFile, error) {
	f := &contextFile{Contexts: make(map[string]Context)}
	path, err := configPath()
	if err != nil {
		// A user without a home still may give --endpoint.
		return f, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("contexts: %w", err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(f); err != nil {
		return nil, usage("contexts: %s: %s (allowed: current, contexts.NAME.endpoints, .token, .identity)", path, err)
	}
	if f.Contexts == nil {
		f.Contexts = make(map[string]Context)
	}
	return f, nil
}

// save writes the file whole or not at all, readable by its user alone: it may
// hold tokens.
func (f *contextFile) save() error {
	path, err := configPath()
	if err != nil {
		return err
	}
	data, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(data)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	return nil
}
