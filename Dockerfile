# One image for all roles: ROLES, or the command line, says which one a container has.

FROM node:20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script: lmdb comes with a binary for each platform.
RUN npm ci --ignore-scripts --include=dev --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY config ./config
COPY src ./src
COPY web ./web
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim
# Every role listens on PORT, which a platform may set to another.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
# Without it V8 lets garbage grow with the memory of the machine: docs/operations.md says what a process needs.
ENV NODE_OPTIONS=--max-old-space-size=1024
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# A start wants a folder that it can write, also when nothing is kept in it; the data lake is in one of its own.
RUN install -d -o node -g node -m 700 data lake
USER node
EXPOSE 8080
# Alive, not ready: a part that is away is no reason to restart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node is process 1 and gets the signals, without a shell or npm in between.
ENTRYPOINT []
CMD ["node", "dist/src/run.js"]
