package diskbroker

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// file has the methods used of a file that is written.
type file interface {
	io.Writer
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// createFile opens a file to write to.
func createFile(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

// Sync has everything that was written be safe from a failure of the machine.
func (f osFile) Sync() error { return syncData(f.File) }

// syncDir has the names in a directory be safe.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if !canSyncDir {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// replace writes a file by way of another one, so that there is the old one or the new one, whole.
func (b *Broker) replace(path string, write func(io.Writer) error) (err error) {
	temporary := path + temporarySuffix
	f, err := b.options.create(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it makes room, if it can be removed
		return err
	}
	return syncDir(filepath.Dir(path))
}

// WriteFile writes a file beside those of the Broker, in place of what it was, so that it is there whole, or the old one is. The
// directory is open. The name is none of the Broker's own.
func (b *Broker) WriteFile(name string, data []byte) error {
	return b.replace(b.path(name), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

const temporarySuffix = ".tmp"
