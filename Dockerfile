# Makes the image that `make image` makes without Docker. Run in the root of the sources:
#
#   docker build -t sluice .
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Time zones are in the binary; certificates are those of the stage's Debian.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags "-s -w -buildid=" -o /out/sluice ./cmd/sluice \
 && install -d -m 0755 /out/image/etc/sluice /out/image/etc/ssl/certs \
 && install -d -m 0750 -o 65532 -g 65532 /out/image/var/lib/sluice \
 && install -d -m 1777 /out/image/tmp \
 && cp /etc/ssl/certs/ca-certificates.crt /out/image/etc/ssl/certs/

FROM scratch
COPY --from=build /out/image/ /
COPY --from=build /out/sluice /sluice
USER 65532:65532
WORKDIR /etc/sluice
ENV PATH=/ SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
STOPSIGNAL SIGTERM
ENTRYPOINT ["/sluice"]
CMD ["run"]
