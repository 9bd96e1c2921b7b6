# gatehouse as an image: built from this tree, then only the programs and the libraries they need.
#
#     docker build -t gatehouse .
#
# docker-compose.yml runs it with nginx, MariaDB and Redis; see docs/docker.md.

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY tools/packages tools/packages
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      $(awk '$1 == "build" { $1 = ""; print }' tools/packages)
COPY . .
RUN autoreconf -fi \
 && ./configure -q --sysconfdir=/etc \
 && make -j"$(nproc)" \
 && make install-strip DESTDIR=/out

FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      libcrypt1 libhiredis0.14 libjson-c5 libjwt0 libmariadb3 libseccomp2 libssl3 \
      libutf8proc2 \
 && rm -rf /var/lib/apt/lists/*
# Numbers that stay, since files in volumes belong to them. A volume that is mounted on one of these
# folders for the first time takes over its owner and mode.
RUN groupadd --gid 10000 gatehouse \
 && useradd --uid 10000 --gid gatehouse --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin gatehouse \
 && install -d -o gatehouse -g gatehouse -m 0750 /run/gatehouse \
      /secrets/root /secrets/owner /secrets/mariadb /secrets/redis \
 && install -d -o gatehouse -g gatehouse -m 0700 /etc/gatehouse/keys
COPY --from=build /out/ /
COPY conf/docker/make-secrets.sh /usr/local/libexec/gatehouse/make-secrets
COPY conf/docker/gatehouse.conf /etc/gatehouse/gatehouse.conf
# A library that is missing above shows here, not at the first start.
RUN chmod 0755 /usr/local/libexec/gatehouse/make-secrets \
 && chmod 0644 /etc/gatehouse/gatehouse.conf \
 && gatehouse -V && gatehousectl help >/dev/null

USER 10000:10000
STOPSIGNAL SIGTERM
# Reads the configuration and the keys, and reaches both stores. Whether workers answer is seen from
# the web server: /auth/health.
HEALTHCHECK --interval=5s --timeout=10s --start-period=30s --retries=3 CMD ["gatehouse", "-t"]
CMD ["gatehouse", "-f"]
