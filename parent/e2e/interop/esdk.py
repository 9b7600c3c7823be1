"""Runs the official AWS Encryption SDK for Python on tasks of the interoperability check, see main.go.

Standard input: a JSON array of tasks. Standard output: a JSON array of answers. The KMS and its root come from AWS_ENDPOINT_URL_KMS and
AWS_CA_BUNDLE, the credentials from the environment.
"""

import importlib.metadata
import json
import sys

import aws_encryption_sdk
from aws_encryption_sdk import (
    CachingCryptoMaterialsManager,
    CommitmentPolicy,
    LocalCryptoMaterialsCache,
    StrictAwsKmsMasterKeyProvider,
)
from aws_encryption_sdk.identifiers import AlgorithmSuite

SUITES = {
    "0478": AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
    "0578": AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384,
}


def read(name):
    with open(name, "rb") as f:
        return f.read()


def write(name, data):
    with open(name, "xb") as f:
        f.write(data)


def encrypt(client, task):
    """Makes one message for each output. The first key is the generator."""
    how = {"key_provider": StrictAwsKmsMasterKeyProvider(key_ids=task["keys"])}
    if task.get("cache"):
        how = {
            "materials_manager": CachingCryptoMaterialsManager(
                master_key_provider=how["key_provider"],
                cache=LocalCryptoMaterialsCache(capacity=10),
                max_age=60.0,
            )
        }
    if task.get("suite"):
        how["algorithm"] = SUITES[task["suite"]]
    for output in task["outputs"]:
        message, _ = client.encrypt(source=read(task["input"]), encryption_context=task["context"], **how)
        write(output, message)
    return {}


def decrypt(client, task):
    """Decrypts with the one key named, and answers with the authenticated context."""
    provider = StrictAwsKmsMasterKeyProvider(key_ids=task["keys"])
    plaintext, header = client.decrypt(source=read(task["input"]), key_provider=provider)
    write(task["outputs"][0], plaintext)
    return {"context": header.encryption_context}


def main():
    client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    sdk = "aws-encryption-sdk " + importlib.metadata.version("aws-encryption-sdk")
    answers = []
    for task in json.load(sys.stdin):
        answer = {"encrypt": encrypt, "decrypt": decrypt}[task["op"]](client, task)
        answers.append({"sdk": sdk, **answer})
    json.dump(answers, sys.stdout)


main()
