// Decides requests by key policies with iam-simulate. Standard input: JSON lines {policy, request};
// standard output: for each a line {none, all} with the decisions without an identity policy and with
// one that allows everything, or {error}. The first argument is the folder with node_modules.
//
// The simulator's front end drops condition keys that it does not list, among them each
// kms:EncryptionContext:NAME, so its core is called with the context as it is.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

const modules = join(process.argv[2], 'node_modules')
const core = join(modules, '@cloud-copilot', 'iam-simulate', 'dist', 'esm')
const load = (file) => import(pathToFileURL(file))
const { authorize } = await load(join(core, 'core_engine', 'CoreSimulatorEngine.js'))
const { AwsRequestImpl } = await load(join(core, 'request', 'request.js'))
const { RequestContextImpl } = await load(join(core, 'requestContext.js'))
const { DiscoveryContextKeyConstraints } = await load(join(core, 'context_keys', 'discoveryContextKeyConstraints.js'))
const require = createRequire(join(modules, 'x.js'))
const { loadPolicy } = require('@cloud-copilot/iam-policy')

const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }
const several = new Set(['kms:encryptioncontextkeys', 'aws:tagkeys', 'kms:grantoperations'])

function decide ({ policy, request }, identityPolicies) {
  const context = {}
  for (const [key, values] of Object.entries(request.context ?? {})) {
    context[key] = values.length === 1 && !several.has(key.toLowerCase()) ? values[0] : values
  }
  const resource = { resource: request.resource, accountId: request.resource.split(':')[4] }
  const { result } = authorize({
    request: new AwsRequestImpl(request.principal, resource, request.action, new RequestContextImpl(context), false),
    identityPolicies,
    resourcePolicy: loadPolicy(policy, { name: 'key' }),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    sessionPolicy: undefined,
    permissionBoundaries: undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: { simulationMode: 'Strict', discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]) },
    serviceSettings: { s3: {} }
  })
  return result
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try {
    const c = JSON.parse(line)
    answer = { none: decide(c, []), all: decide(c, [loadPolicy(everything, { name: 'all' })]) }
  } catch (e) {
    answer = { error: String(e) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
