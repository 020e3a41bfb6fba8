// Compiles GitHub's published JSON schemas so that nothing is skipped in silence.
//
// Invariant: a schema that Ajv cannot compile is a failure, never a pass. `nullable` is rewritten before Ajv sees it, since
// Ajv refuses `nullable` without `type`, and takes an `enum` without null for a ban on null.
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const PROSE = new Set(['example', 'examples', 'description', 'externalDocs', 'x-github', 'discriminator', 'xml']);

/** The same document with `nullable` said in words that JSON Schema has, and without prose. */
export function withoutNullable(node, isMap = false) {
  if (Array.isArray(node)) return node.map((item) => withoutNullable(item));
  if (node === null || typeof node !== 'object') return node;
  const out = {};
  for (const [key, value] of Object.entries(node)) {
    if (!isMap && (PROSE.has(key) || key === 'nullable')) continue;
    out[key] = withoutNullable(value, !isMap && (key === 'properties' || key === 'schemas' || key === 'patternProperties'));
  }
  if (isMap || node.nullable !== true) return out;
  if (out.enum && !out.enum.includes(null)) out.enum = [...out.enum, null];
  if (typeof out.type === 'string') return { ...out, type: [out.type, 'null'] };
  return { anyOf: [out, { type: 'null' }] };
}

/** A document whose parts can be asked for by JSON pointer. */
export class Schemas {
  constructor(name, document) {
    this.name = name;
    this.document = withoutNullable(document);
    this.compiled = new Map();
    this.ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false, logger: false });
    addFormats(this.ajv);
    // GitHub's own addresses of bots (`1+x[bot]@users.noreply.github.com`) are none by the standard's grammar.
    this.ajv.addFormat('email', /^[^@\s]+@[^@\s]+$/);
    this.ajv.addSchema(this.document, name);
  }

  /** The part itself. */
  at(...path) {
    return path.reduce((node, key) => (node === undefined ? undefined : follow(this.document, node[key])), this.document);
  }

  /** A validator of the part; throws when it does not compile. */
  validator(...path) {
    const pointer = path.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    if (!this.compiled.has(pointer)) {
      this.compiled.set(pointer, this.ajv.compile({ $ref: `${this.name}#/${pointer}` }));
    }
    return this.compiled.get(pointer);
  }
}

function follow(document, node) {
  if (node === undefined || node === null || node.$ref === undefined) return node;
  const keys = node.$ref.slice(2).split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  return follow(document, keys.reduce((at, key) => at?.[key], document));
}

/** Errors as short lines: where, and what is wrong. */
export function explain(errors) {
  const lines = new Set((errors ?? []).map((e) => `${e.instancePath || '/'} ${e.message} ${JSON.stringify(e.params)}`));
  return [...lines].slice(0, 6);
}

/** Broken copies of an instance: one property removed, or one given another type, down to `depth` levels. */
export function* broken(instance, depth = 3) {
  yield* mutations(instance, depth, (at) => at, instance);
}

function* mutations(node, depth, locate, root) {
  if (depth === 0 || node === null || typeof node !== 'object') return;
  const keys = Array.isArray(node) ? (node.length ? [0] : []) : Object.keys(node);
  for (const key of keys) {
    if (!Array.isArray(node)) {
      const removed = structuredClone(root);
      delete locate(removed)[key];
      yield { how: 'removed', key, instance: removed };
    }
    const changed = structuredClone(root);
    locate(changed)[key] = typeof node[key] === 'number' ? 'no number' : 4.5;
    yield { how: 'changed', key, instance: changed };
    yield* mutations(node[key], depth - 1, (at) => locate(at)[key], root);
  }
}
