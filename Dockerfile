FROM node:24.21.0-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src ./src
RUN npm run bundle

FROM node:24.21.0-trixie-slim
LABEL org.opencontainers.image.title="Serin" \
      org.opencontainers.image.description="Progressive delivery on Istio" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /LICENSE
COPY --from=build /build/dist/serin.mjs /serin.mjs
# By number: Kubernetes cannot tell that a name is not root's.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/serin.mjs"]
