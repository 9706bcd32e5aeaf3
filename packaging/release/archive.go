package main

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"time"
)

// file is one in an archive.
type file struct {
	name      string
	from      string // where it is; "": content is it
	content   []byte
	isProgram bool
}

func (f *file) read() ([]byte, error) {
	if f.from == "" {
		return f.content, nil
	}
	return os.ReadFile(f.from)
}

func (f *file) mode() os.FileMode {
	if f.isProgram {
		return 0o755
	}
	return 0o644
}

// writeTar writes files into a directory of an archive, as of at, which belongs to
// nobody in particular.
func writeTar(to, dir string, files []file, at time.Time) error {
	return create(to, func(w io.Writer) error {
		z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(z)
		for _, f := range files {
			content, err := f.read()
			if err != nil {
				return err
			}
			head := &tar.Header{Typeflag: tar.TypeReg, Name: dir + "/" + f.name, Size: int64(len(content)), Mode: int64(f.mode()), ModTime: at}
			if err := archive.WriteHeader(head); err != nil {
				return err
			}
			if _, err := archive.Write(content); err != nil {
				return err
			}
		}
		return errors.Join(archive.Close(), z.Close())
	})
}

// writeZip is writeTar for Windows.
func writeZip(to, dir string, files []file, at time.Time) error {
	return create(to, func(w io.Writer) error {
		archive := zip.NewWriter(w)
		archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
		for _, f := range files {
			content, err := f.read()
			if err != nil {
				return err
			}
			head := &zip.FileHeader{Name: dir + "/" + f.name, Method: zip.Deflate, Modified: at}
			head.SetMode(f.mode())
			entry, err := archive.CreateHeader(head)
			if err != nil {
				return err
			}
			if _, err := entry.Write(content); err != nil {
				return err
			}
		}
		return archive.Close()
	})
}

func create(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
