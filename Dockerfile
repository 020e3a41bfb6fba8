# Two stages: the build, and what runs: one program, git (which merges again what the program judges), the certificates they
# trust, and their libraries; no shell, no package manager. The stages are scripts, so that they can be tried without an
# engine (.ci/image/try).
#
# The base is pinned by digest (Rust 1.95.0 on Debian 12, with git): the same source, base and SOURCE_DATE_EPOCH make the same
# image, where the builder rewrites its times (buildx: rewrite-timestamp=true). Git and the libraries are those of the base:
# a newer digest is how they are kept current.
FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
ARG SOURCE_DATE_EPOCH=0
# The toolchain of the image, whatever rust-toolchain.toml would fetch.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN .ci/image/build /out

FROM scratch
COPY --from=build /out /
# Everything that changes is in one volume; run it with a read-only root file system, and /tmp in memory.
VOLUME /data
WORKDIR /data
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    COUNTERSIGN_SERVER_LISTEN=0.0.0.0:8080 \
    COUNTERSIGN_STORAGE_URL=sqlite:///data/countersign.sqlite \
    COUNTERSIGN_LEDGER_KEY_FILE=/data/ledger.key
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/local/bin/countersign", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/countersign"]
CMD ["serve"]
