# syntax=docker/dockerfile:1
# An image that contains only MER: `docker build -t mer .`. docs/operations.md describes its use.

FROM rust:1.95.0-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates musl-tools perl make \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
# The caches outlive the build: after a change only MER's own crates are compiled and linked. musl-gcc compiles C code and cc
# links, see docs/building.md.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target,sharing=locked \
    target=$(uname -m)-unknown-linux-musl \
    && name=$(echo "$target" | tr - _) \
    && export CARGO_TARGET_DIR=/target "CC_$name=musl-gcc" "AR_$name=ar" \
    && export "CARGO_TARGET_$(echo "$name" | tr a-z A-Z)_LINKER=cc" \
    && cargo build --locked --profile dist --target "$target" --package mer \
    && container/root.sh "/target/$target/dist/mer" /etc/ssl/certs/ca-certificates.crt /image

FROM scratch
# The whole root at once, so that owners and modes stay as root.sh set them: builders change those of a folder that is copied
# alone.
COPY --from=build /image/ /
ENV PATH=/bin \
    HOME=/var/lib/mer \
    MER_DATA_DIR=/var/lib/mer \
    MER_STATE_DIR=/var/lib/mer \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# A number, because there is no /etc/passwd.
USER 65532:65532
WORKDIR /var/lib/mer
HEALTHCHECK --interval=30s --timeout=8s --retries=3 CMD ["/bin/mer", "doctor", "--brief", "--quiet"]
ENTRYPOINT ["/bin/mer"]
