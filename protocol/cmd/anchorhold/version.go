package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"anchorhold/protocol/cli"

	"github.com/spf13/cobra"
)

// release is the version of the formats and of this tool; see CHANGELOG.md.
const release = "0.1.0-dev"

func (a *app) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print versions",
		Long:    "Version prints the version of the tool, of the protocol, of Go, and of the FIPS 140-3 module if the build froze one.",
		Example: "  anchorhold version",
		Args:    cli.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{
				"anchorhold": release, "protocol": "1", "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "fips140": setting("GOFIPS140"),
			}
			if asJSON {
				return cli.WriteJSON(a.out, v)
			}
			fmt.Fprintf(a.out, "anchorhold %s, protocol 1, %s %s, GOFIPS140=%s\n", release, v["go"], v["platform"], v["fips140"])
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// setting reads a build setting, "off" when it is not set.
func setting(name string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "off"
	}
	for _, s := range info.Settings {
		if s.Key == name {
			return s.Value
		}
	}
	return "off"
}
