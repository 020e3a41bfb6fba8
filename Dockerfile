# syntax=docker/dockerfile:1
# Two stages: the build, and what runs: one program, the certificates it trusts, and git, which merges again what it judges.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p countersign --bin countersign \
    && install -d -o 65532 -g 65532 /out/data

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/countersign /usr/local/bin/countersign
COPY --from=build --chown=65532:65532 /out/data /data
# Everything that changes is in one volume; the rest of the file system may be read-only.
VOLUME /data
WORKDIR /data
ENV COUNTERSIGN_SERVER_LISTEN=0.0.0.0:8080 \
    COUNTERSIGN_STORAGE_URL=sqlite:///data/countersign.sqlite \
    COUNTERSIGN_LEDGER_KEY_FILE=/data/ledger.key
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/countersign"]
CMD ["serve"]
