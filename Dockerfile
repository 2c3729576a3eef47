# The image, for those who can reach a registry: docker build -t holdfast:0.1.0 .
# What ci/image/build makes from a binary built on the host has the same root; that one is built and run in CI.
#
# The runtime is FROM scratch: one static binary, no shell, nothing to patch. The builder's tag is exact. Whoever wants
# the same bytes for ever gives a digest: --build-arg BUILDER=rust@sha256:...
ARG BUILDER=rust:1.95.0-slim-bookworm

FROM ${BUILDER} AS build
WORKDIR /source
COPY . .
# With --target, flags for the binary do not reach build scripts. glibc is linked in: its resolver reads files and asks
# DNS without loading anything.
RUN set -eu; \
    target="$(rustc -vV | sed -n 's/^host: //p')"; \
    CARGO_INCREMENTAL=0 RUSTFLAGS='-C target-feature=+crt-static' \
        cargo build --locked --release --target "$target" --package holdfast; \
    mkdir -p /root-of-image/var/lib/holdfast/data /root-of-image/var/lib/holdfast/log /root-of-image/etc/holdfast; \
    strip --strip-all -o /root-of-image/holdfast "target/$target/release/holdfast"

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="holdfast" \
      org.opencontainers.image.description="A replicated JIT funding gateway for card issuers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="https://example.invalid/holdfast" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Holdfast"
# An empty volume takes the owner of the directory it is mounted over: these two belong to the user below.
COPY --from=build --chown=65532:65532 /root-of-image/ /
USER 65532:65532
WORKDIR /var/lib/holdfast
# The processor's door, probes and metrics, the operator's gRPC, the other nodes.
EXPOSE 8441 9441 9541 7441
STOPSIGNAL SIGTERM
# Alive, not ready: without a quorum a node is to be left alone, not restarted.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["/holdfast", "probe", "--url", "http://127.0.0.1:9441/livez"]
ENTRYPOINT ["/holdfast"]
CMD ["serve", "--config", "/etc/holdfast/holdfast.toml"]
