# Anchorhold. `make demo` shows the main job; `make test` runs the hermetic tests; `make check` is what CI runs.
SHELL       := /bin/bash
GO          ?= go
# The validated Go cryptographic module, frozen by version so that the binary does not move with the toolchain. See SECURITY.md.
FIPS        ?= v1.0.0
BUILD       := CGO_ENABLED=0 GOFIPS140=$(FIPS) $(GO) build -trimpath -buildvcs=false -ldflags='-s -w -buildid='
FUZZTIME    ?= 3s

POLICY      ?= eif/sample-policy.yaml
# One program for each set of engines: the image builder takes the one that the policy needs.
PROGRAMS    := anchorhold-enclave anchorhold-enclave-microsoft anchorhold-enclave-all

.PHONY: build program eif docker-eif demo test check cover trusted mutants deid-score bench interop e2e fuzz generate lint clean

build: ## static binaries in bin/
	@mkdir -p bin
	$(BUILD) -o bin/ ./protocol/cmd/... ./enclave/cmd/... ./parent/cmd/... ./eif/cmd/...

program: ## the enclave's programs and the image builder only
	@mkdir -p bin
	$(BUILD) -o bin/ $(PROGRAMS:%=./enclave/cmd/%) ./eif/cmd/anchorhold-eif

eif: program ## bin/anchorhold.eif with POLICY=, twice, byte-identical; KERNEL= and NSM_MODULE= for kernels of others
	scripts/eif.sh '$(POLICY)' bin/anchorhold.eif '$(KERNEL)' '$(NSM_MODULE)'

docker-eif: build ## bin/anchorhold-docker.tar with POLICY= for nitro-cli, twice, the same; BLOBS= for its PCRs
	scripts/docker.sh '$(POLICY)' bin/anchorhold-docker.tar '$(BLOBS)'

demo: build ## the main job end to end, three processes, no AWS account
	$(GO) run ./parent/e2e/demo --bin bin

test: ## hermetic tests; with VECTORS=DIR also against published vectors
	$(GO) test -timeout 10m ./...

check: lint ## what CI runs
	scripts/check.sh $(FUZZTIME)

lint:
	scripts/lint.sh

deid-score: ## the public de-identification benchmark: recall by letter, utility, precision; PEOPLE= (100)
	scripts/deid-score.sh $(PEOPLE)

bench: ## ratios against baselines of the same run
	scripts/bench.sh

interop: build ## against software that is not ours: SDKs, AWS CLI, other implementations; installs it; PART= for one part
	scripts/interop.sh $(PART)

e2e: build ## boots the image in QEMU and runs the main job through it; builds kernel and QEMU once; LONG=yes times ten starts
	scripts/e2e.sh

fuzz: ## each fuzz target for FUZZTIME (10m for a release)
	scripts/fuzz.sh $(FUZZTIME)

cover: ## statement coverage of the trusted code, at least 90 %
	scripts/cover.sh

trusted: ## own lines and modules that each enclave program links, by package
	$(GO) run ./scripts/trusted

mutants: ## takes security checks out one by one: each time a test must fail (about 20 minutes); ONLY="WORDS"
	scripts/mutants.sh "$(ONLY)"

generate: ## golden vectors
	$(GO) generate ./...

clean:
	rm -rf bin .cache
