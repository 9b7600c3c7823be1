// Evaluates expressions with the npm package fhirpath, see main.go.
//
// Argument: a file of resources, one a line. Standard input: one case a line, {"e": expression, "r": place of the resource}.
// Standard output: for each case {"items": [...]} or {"error": "..."}. Modules are found from the working directory.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'oracle.mjs'))
const fhirpath = require('fhirpath')
const model = require('fhirpath/fhir-context/r4')
const types = require('fhirpath/src/types')

console.log = console.warn = console.error = () => {} // the engine reports what it truncates
const options = { resolveInternalTypes: false, preciseMath: true, traceFn: () => {} }
const resources = readFileSync(process.argv[2], 'utf8').split('\n').filter((l) => l)

// plain is a value in JSON; numbers of the engine's own kind are numbers.
function plain(value) {
  return JSON.parse(JSON.stringify(value, (_, v) => (v instanceof types.FP_Type ? Number(v.toString()) : v)))
}

function item(node) {
  if (node instanceof types.ResourceNode) {
    const data = node.data instanceof types.FP_Type ? node.data.toString() : node.data
    const numeric = node.data instanceof types.FP_Type && /^-?[0-9.]+$/.test(data)
    return { kind: 'element', value: numeric ? Number(data) : plain(data) }
  }
  if (node instanceof types.FP_Quantity) return { kind: 'quantity', value: node.toString() }
  if (node instanceof types.TypeInfo) return { kind: 'type', value: `${node.namespace}.${node.name}` }
  if (node instanceof types.FP_TimeBase) return { kind: 'time', value: node.toString() }
  if (node instanceof types.FP_Type) return { kind: 'number', value: node.toString() }
  if (typeof node === 'number' || typeof node === 'bigint') return { kind: 'number', value: String(node) }
  return { kind: typeof node, value: typeof node === 'object' ? plain(node) : node }
}

const compiled = new Map()
function evaluate(c) {
  try {
    if (!compiled.has(c.e)) compiled.set(c.e, fhirpath.compile(c.e, model, options))
    const resource = JSON.parse(resources[c.r])
    return { items: compiled.get(c.e)(resource, { resource, rootResource: resource }).map(item) }
  } catch (e) {
    return { error: String(e.message || e).slice(0, 200) }
  }
}

const out = readFileSync(0, 'utf8').split('\n').filter((l) => l).map((l) => JSON.stringify(evaluate(JSON.parse(l))))
process.stdout.write(out.join('\n') + '\n')
