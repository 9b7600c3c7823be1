package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/measure"
)

const pcrHelp = `Pcr computes the registers that do not come from the image (SPEC 10): PCR3 from the IAM role of the parent instance, PCR4 from the
instance's ID, and PCR8 from a signing certificate.

PCR3 wants the role's ARN as IAM has it, with its path: arn:aws:iam::ACCOUNT:role/PATH/NAME. The ARNs of its instance profile, and of its
sessions (assumed-role), give other values. An instance without a role has zeros in PCR3.`

// roleARN is the ARN of an IAM role, in any partition.
var roleARN = regexp.MustCompile(`^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/([!-.0-~]+/)*[A-Za-z0-9+=,.@_-]{1,64}$`)

// instanceID has 8 digits on old instances.
var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

func (a *app) pcr() *cobra.Command {
	var role, instance, certFile string
	cmd := &cobra.Command{
		Use:     "pcr [--role ARN] [--instance ID] [--certificate FILE]",
		Short:   "Compute PCR3, PCR4 and PCR8",
		Long:    pcrHelp,
		Example: "  anchorhold-eif pcr --role arn:aws:iam::111122223333:role/parent --instance i-0123456789abcdef0",
		Args:    cli.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			return a.printPCR(role, instance, certFile)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "`ARN` of the IAM role of the parent instance, for PCR3")
	cmd.Flags().StringVar(&instance, "instance", "", "`ID` of the parent instance, for PCR4")
	cmd.Flags().StringVar(&certFile, "certificate", "", "signing certificate `FILE` (PEM), for PCR8")
	return cmd
}

func (a *app) printPCR(role, instance, certFile string) error {
	switch {
	case role == "" && instance == "" && certFile == "":
		return cli.Usage("expected --role, --instance or --certificate")
	case role != "" && !roleARN.MatchString(role):
		return cli.Usage("--role %q: expected arn:aws:iam::ACCOUNT:role/NAME, the ARN of the role itself", role)
	case instance != "" && !instanceID.MatchString(instance):
		return cli.Usage("--instance %q: expected i- and 8 or 17 hexadecimal digits in lower case", instance)
	}
	text := ""
	if role != "" {
		text += fmt.Sprintf("PCR3 %s\n", measure.RolePCR3(role))
	}
	if instance != "" {
		text += fmt.Sprintf("PCR4 %s\n", measure.InstancePCR4(instance))
	}
	if certFile != "" {
		_, cert, err := readCertificate(certFile)
		if err != nil {
			return err
		}
		text += fmt.Sprintf("PCR8 %s\n", measure.CertificatePCR8(cert.Raw))
	}
	_, err := fmt.Fprint(a.out, text)
	return err
}
