// Runs the official AWS Encryption SDK for JavaScript on tasks of the interoperability check, see main.go.
//
// Standard input: a JSON array of tasks. Standard output: a JSON array of answers. Modules are found from the working directory. The KMS
// comes from AWS_ENDPOINT_URL_KMS, its root from NODE_EXTRA_CA_CERTS, the credentials from the environment.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'esdk.mjs'))
const sdk = require('@aws-crypto/client-node')
const version = require('@aws-crypto/client-node/package.json').version

const { encrypt, decrypt } = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const clientProvider = sdk.getClient(sdk.KMS, { endpoint: process.env.AWS_ENDPOINT_URL_KMS })
const suites = {
  '0478': sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
  '0578': sdk.AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY_ECDSA_P384,
}
const write = (name, data) => writeFileSync(name, data, { flag: 'wx' })

// keyringOf makes a multi-keyring of several keys. The first is the generator.
function keyringOf([first, ...others]) {
  const generator = new sdk.KmsKeyringNode({ clientProvider, generatorKeyId: first })
  if (others.length === 0) return generator
  const children = others.map((key) => new sdk.KmsKeyringNode({ clientProvider, keyIds: [key] }))
  return new sdk.MultiKeyringNode({ generator, children })
}

// One message for each output.
async function runEncrypt(task) {
  let how = keyringOf(task.keys)
  if (task.cache) {
    how = new sdk.NodeCachingMaterialsManager({
      backingMaterials: how,
      cache: sdk.getLocalCryptographicMaterialsCache(10),
      maxAge: 60000,
    })
  }
  const plaintext = readFileSync(task.input)
  for (const output of task.outputs) {
    const options = { encryptionContext: task.context, plaintextLength: plaintext.length }
    if (task.suite) options.suiteId = suites[task.suite]
    const { result } = await encrypt(how, plaintext, options)
    write(output, result)
  }
  return {}
}

// Decrypts with the one key named, and answers with the authenticated context.
async function runDecrypt(task) {
  const keyring = new sdk.KmsKeyringNode({ clientProvider, keyIds: task.keys })
  const { plaintext, messageHeader } = await decrypt(keyring, readFileSync(task.input))
  write(task.outputs[0], plaintext)
  return { context: messageHeader.encryptionContext }
}

const answers = []
for (const task of JSON.parse(readFileSync(0, 'utf8'))) {
  const answer = await { encrypt: runEncrypt, decrypt: runDecrypt }[task.op](task)
  answers.push({ sdk: `@aws-crypto/client-node ${version}`, ...answer })
}
process.stdout.write(JSON.stringify(answers))
