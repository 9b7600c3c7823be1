//! Builds, signs and describes enclave images with AWS's own library, as nitro-cli does, for scripts/interop/eif.sh.
//!
//!   eif-interop build OUT KERNEL CMDLINE x86_64|aarch64 METADATA.json KEY|- CERTIFICATE|- RAMDISK...
//!   eif-interop sign IMAGE KEY CERTIFICATE
//!   eif-interop describe IMAGE...
//!
//! describe prints one line of JSON for each image. An image that the library refuses, or panics on, has "error".

use aws_nitro_enclaves_image_format::defs::{EIF_HDR_ARCH_ARM64, EifIdentityInfo};
use aws_nitro_enclaves_image_format::utils::eif_reader::EifReader;
use aws_nitro_enclaves_image_format::utils::{EifBuilder, EifSigner, PcrSignatureChecker, SignKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha384};
use std::fs::OpenOptions;
use std::path::Path;

fn main() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["build", out, kernel, cmdline, arch, metadata, key, cert, ramdisks @ ..] if !ramdisks.is_empty() => {
            build(out, kernel, cmdline, arch, metadata, key, cert, ramdisks)
        }
        ["sign", image, key, cert] => signer(key, cert)?.sign_image(image),
        ["describe", images @ ..] => {
            std::panic::set_hook(Box::new(|_| {}));
            for image in images {
                println!("{}", describe(image));
            }
            Ok(())
        }
        _ => Err("usage: see src/main.rs".into()),
    }
}

fn key_data(key: &str, cert: &str) -> Result<SignKeyData, String> {
    SignKeyData::new(key, Path::new(cert))
}

fn signer(key: &str, cert: &str) -> Result<EifSigner, String> {
    EifSigner::new(Some(key_data(key, cert)?)).ok_or_else(|| "no signer".into())
}

#[allow(clippy::too_many_arguments)]
fn build(
    out: &str, kernel: &str, cmdline: &str, arch: &str, metadata: &str, key: &str, cert: &str, ramdisks: &[&str],
) -> Result<(), String> {
    let text = std::fs::read(metadata).map_err(|e| e.to_string())?;
    let info: EifIdentityInfo = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let sign = if key == "-" { None } else { Some(key_data(key, cert)?) };
    let flags = if arch == "aarch64" { EIF_HDR_ARCH_ARM64 } else { 0 };
    let mut builder = EifBuilder::new(Path::new(kernel), cmdline.into(), sign, Sha384::new(), flags, info);
    for ramdisk in ramdisks {
        builder.add_ramdisk(Path::new(ramdisk));
    }
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(out).map_err(|e| e.to_string())?;
    builder.write_to(&mut file);
    Ok(())
}

fn describe(path: &str) -> Value {
    match std::panic::catch_unwind(|| read(path)) {
        Ok(Ok(v)) => v,
        Ok(Err(e)) => json!({ "error": e }),
        Err(_) => json!({ "error": "panic" }),
    }
}

/// read returns what nitro-cli describe-eif shows, and the verdicts of both of the library's signature checks.
fn read(path: &str) -> Result<Value, String> {
    let mut reader = EifReader::from_eif(path.into())?;
    let header = reader.get_header();
    let measurements = reader.get_measurements()?;
    let mut out = json!({
        "arm64": header.flags & EIF_HDR_ARCH_ARM64 != 0,
        "crc": reader.check_crc(),
        "sections": header.num_sections,
        "sizes": header.section_sizes[..header.num_sections as usize].to_vec(),
        "measurements": measurements,
        "metadata": reader.get_metadata(),
        "signed": reader.signature_section.is_some(),
    });
    if reader.signature_section.is_some() {
        match reader.get_certificate_info(measurements.clone()) {
            Ok(info) => {
                out["certificate"] = json!(info);
                out["pcr0_signed"] = json!(reader.sign_check);
            }
            Err(e) => out["certificate_error"] = json!(e),
        }
        out["verify"] = match PcrSignatureChecker::from_eif(path).and_then(|mut c| c.verify()) {
            Ok(()) => json!(true),
            Err(e) => json!(e),
        };
    }
    Ok(out)
}
