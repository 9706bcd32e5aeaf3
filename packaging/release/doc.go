// Command release builds what people download: the program for each platform in an
// archive, an SBOM of each, and their checksums.
//
// The same source and the same version of Go make the same bytes, wherever they are.
//
//	go run ./packaging/release                        # all platforms, into dist/
//	go run ./packaging/release -out DIR -platforms linux/amd64,windows/arm64
//
// SOURCE_DATE_EPOCH is the time in archives and SBOMs, by default that of the commit.
package main
