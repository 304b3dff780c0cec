// Command image makes the container image of Sluice without a Docker daemon: a static binary, the certificates of public
// authorities, and a user that is not root. The same sources and the same Go give the same bytes.
//
//	go run . -source ../.. -out ../../bin/image              the image as files
//	go run . -source ../.. -push REGISTRY/NAME:TAG           and in a registry, with the credentials of `docker login`
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	source := flags.String("source", ".", "folder of Sluice's sources")
	out := flags.String("out", "bin/image", "folder that is made anew: oci/, and a file per platform for docker load")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "what the image is made for")
	version := flags.String("version", "devel", "version in the image's labels")
	push := flags.String("push", "", "registry, name and tag to put the image under")
	if err := flags.Parse(args); err != nil {
		return err
	}
	made, err := build(ctx, recipe{source: *source, platforms: strings.Split(*platforms, ","), version: *version})
	if err != nil {
		return err
	}
	if err := made.write(*out); err != nil {
		return err
	}
	digest, err := made.index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s in %s\n", digest, *out)
	if *push == "" {
		return nil
	}
	ref, err := name.ParseReference(*push)
	if err != nil {
		return fmt.Errorf("-push: %w", err)
	}
	if err := upload(ctx, ref, made.index); err != nil {
		return err
	}
	fmt.Printf("pushed as %s@%s\n", ref.Context(), digest)
	return nil
}

// upload puts the image of all platforms under ref.
func upload(ctx context.Context, ref name.Reference, index v1.ImageIndex) error {
	if err := remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}
