# Each target is the command it stands for; none of them is needed.
.DEFAULT_GOAL := help
.PHONY: help run short test race ci fuzz bench soak chaos clientchaos fmt vet generate cover release image

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

run: ## the server on loopback, with its welcome page
	go run ./cmd/godwit serve

short: ## the tests that are quick
	go test -short ./...

test: ## every test
	go test ./...

race: ## every test, with the race detector
	go test -race ./...

ci: ## everything a change must pass
	.ci/run

fuzz: ## every fuzz target, FUZZTIME each (default 1s)
	.ci/run fuzz

bench: ## every benchmark, in the form benchstat reads
	go test -run '^$$' -bench . -count 6 ./...

soak: ## the engine under every kind of client for SOAK (default 10m): memory and descriptors stay flat
	GODWIT_SOAK=$(or $(SOAK),10m) go test -count 1 -timeout 0 -run '^TestSoak$$' -v ./engine

chaos: ## nodes and members of brokers killed under load, for CHAOS each (default 10m): nothing is lost, repeated or reordered without a gap
	GODWIT_CHAOS=$(or $(CHAOS),10m) go test -count 1 -timeout 0 -parallel 1 -run '^TestChaos' -v ./internal/chaos

clientchaos: ## the JavaScript client reading and publishing MESSAGES (default 100000) while its connections are cut
	GODWIT_CHAOS=$(or $(MESSAGES),100000) go test -count 1 -timeout 0 -run '^TestClientChaos$$' -v ./internal/interop

fmt: ## format the Go files
	gofmt -w .

vet: ## static checks
	go vet ./...

generate: ## make generated files again
	go generate ./...

cover: ## test coverage of every package, by function
	go test -coverprofile cover.out ./... && go tool cover -func cover.out

release: ## archives, checksums and SBOMs for every platform, into dist/
	go run ./packaging/release

image: ## a container image, with Docker
	docker build -f packaging/Dockerfile -t godwit .
