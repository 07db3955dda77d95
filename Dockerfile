# Any image with Node 26 and npm will do; it runs as it is, without a package added.
ARG NODE_IMAGE=docker.io/library/node:26-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build && chmod 755 dist/lookaside.js && npm prune --omit=dev

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title=lookaside \
  org.opencontainers.image.description="A server for container image signatures" \
  org.opencontainers.image.version=0.1.0 \
  org.opencontainers.image.licenses=Apache-2.0
WORKDIR /opt/lookaside
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE ./
COPY migrations migrations
RUN mkdir /data && chown 10001:10001 /data && ln -s /opt/lookaside/dist/lookaside.js /usr/local/bin/lookaside
# Nothing outside /data is written: run it with --read-only.
USER 10001:10001
ENV NODE_ENV=production LOOKASIDE_DATA=/data LOOKASIDE_LISTEN=:8443 SQLITE_TMPDIR=/data
VOLUME /data
EXPOSE 8443
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "/opt/lookaside/dist/cli/healthcheck.js"]
ENTRYPOINT ["node", "/opt/lookaside/dist/lookaside.js"]
CMD ["serve"]
