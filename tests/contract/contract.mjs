// Holds what the twin said and heard against what GitHub publishes.
//
//   node contract.mjs RECORDINGS     (a directory of *.jsonl, written by a twin that runs with TWIN_RECORD)
//
// Ends with `N passed, N failed`; exits 1 when something failed or when there is nothing to check. For each operation and
// event in use a broken answer must be refused as well: a check that cannot fail proves nothing.
import { createReadStream, readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSchema, parse, validate } from 'graphql';
import { getVariableValues } from 'graphql/execution/values.js';
import { Schemas, broken, explain } from './schemas.mjs';
import { notContained } from './subset.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const text = (path) => readFileSync(join(here, 'node_modules', path), 'utf8');

let passed = 0;
const failures = new Map();
function report(subject, faults) {
  if (faults.length === 0) passed += 1;
  else failures.set(subject, [...(failures.get(subject) ?? []), faults]);
}

/** Line by line: what a whole corpus says is longer than a string may be. */
async function recordings(directory) {
  const records = [];
  for (const name of readdirSync(directory).filter((name) => name.endsWith('.jsonl'))) {
    const lines = createInterface({ input: createReadStream(join(directory, name), 'utf8'), crlfDelay: Infinity });
    for await (const line of lines) if (line) records.push(JSON.parse(line));
  }
  return records;
}

function grouped(records, key) {
  const groups = new Map();
  for (const record of records) {
    const name = key(record);
    const group = groups.get(name) ?? groups.set(name, new Map()).get(name);
    group.set(JSON.stringify(record), record); // the same record twice proves nothing more
  }
  return [...groups].map(([name, group]) => [name, [...group.values()]]);
}

/** Compiles or says why not. */
function compiled(schemas, path) {
  try {
    return { validate: schemas.validator(...path), faults: [] };
  } catch (error) {
    return { validate: undefined, faults: [`does not compile: ${error.message}`] };
  }
}

/** Answers of which GitHub's schema requires no field: only a changed type can be refused (`webhook-config`). */
const nothingRequired = ['GET /app/hook/config'];

function mustRefuse(subject, check, instance) {
  const kinds = new Set();
  for (const { how, instance: copy } of broken(instance)) if (!kinds.has(how) && !check(copy)) kinds.add(how);
  const faults = [];
  if (!kinds.has('removed') && !nothingRequired.includes(subject)) faults.push('no removed field is refused');
  if (kinds.has('removed') && nothingRequired.includes(subject)) faults.push('a field is required after all');
  if (!kinds.has('changed')) faults.push('no changed type is refused');
  report(`${subject} (broken on purpose)`, faults);
}

// --- GraphQL ---------------------------------------------------------------------------------------------------------

const published = text('@octokit/graphql-schema/schema.graphql');

function checkSubset() {
  const subset = readFileSync(join(here, '../github-twin/src/schema/github.graphql'), 'utf8');
  report('the SDL of the twin', notContained(subset, published));
  const spoilt = {
    'a nullability': subset.replace('headRefOid: GitObjectID!', 'headRefOid: GitObjectID'),
    'an argument': subset.replace('pullRequest(number: Int!)', 'pullRequest(number: String!)'),
    'a field': subset.replace('headRefOid: GitObjectID!', 'headRefOid: GitObjectID!\n  pushers: [User]'),
    'a member': subset.replace('union Assignee = Bot', 'union Assignee = Team | Bot'),
    'a value': subset.replace('enum PullRequestState {', 'enum PullRequestState {\n  ABANDONED'),
  };
  for (const [what, sdl] of Object.entries(spoilt)) {
    report(`the SDL of the twin with ${what} spoilt`, sdl !== subset && notContained(sdl, published).length ? [] : ['is not refused']);
  }
}

function checkQueries(records) {
  const schema = buildSchema(published, { assumeValidSDL: true });
  const faultsOf = (query, variables) => {
    let document;
    try {
      document = parse(query);
    } catch (error) {
      return [error.message];
    }
    const faults = validate(schema, document).map((error) => error.message);
    if (faults.length) return faults;
    const operations = document.definitions.filter((d) => d.kind === 'OperationDefinition');
    return operations.flatMap((operation) => {
      const values = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {});
      return (values.errors ?? []).map((error) => error.message);
    });
  };
  for (const [name, group] of grouped(records, (r) => `query ${r.operation ?? '(no name)'}`)) {
    for (const { request, status, response } of group) {
      if (status !== 200) continue;
      const faults = faultsOf(request.query, request.variables);
      const answered = response?.data !== undefined;
      if (answered) report(name, faults);
      else report(name, faults.length ? [] : ['GitHub would answer it, the twin does not']);
    }
    const sample = group.find((r) => r.status === 200 && r.response?.data !== undefined)?.request;
    if (!sample) continue;
    const spoilt = sample.query.replace(/\b(oid|databaseId|login|number|name|totalCount|cost|id|__typename)\b(?!\s*[:(])/, 'noSuchField');
    report(`${name} (broken on purpose)`, faultsOf(spoilt, sample.variables).length ? [] : ['an unknown field is not refused']);
  }
}

// --- REST ------------------------------------------------------------------------------------------------------------

/** Calls that GitHub answers and does not describe, with the described call that answers the same. */
const ALIASES = new Map([
  ['/repositories/{repository_id}', '/repos/{owner}/{repo}'],
  ['/repositories/{repository_id}/installation', '/repos/{owner}/{repo}/installation'],
]);

function checkRest(records) {
  const api = new Schemas('openapi', JSON.parse(text('@octokit/openapi/generated/api.github.com.json')));
  for (const [name, group] of grouped(records, (r) => `${r.method} ${r.operation}`)) {
    const { operation } = group[0];
    const [method, template] = [group[0].method.toLowerCase(), ALIASES.get(operation) ?? operation];
    if (!api.at('paths', template, method)) {
      report(name, ['is not published']);
      continue;
    }
    for (const record of group) {
      if (template === operation) report(`${name} request`, requestFaults(api, template, method, record));
      report(`${name} ${record.status}`, answerFaults(api, template, method, record));
    }
    spoil(api, name, template, method, group);
  }
}

function requestFaults(api, template, method, record) {
  const operation = api.at('paths', template, method);
  const parameters = [...(api.at('paths', template).parameters ?? []), ...(operation.parameters ?? [])].map((p) => {
    if (!p.$ref) return p;
    return api.at('components', 'parameters', p.$ref.split('/').at(-1));
  });
  const faults = [];
  const check = (place, given) => {
    for (const [name, raw] of Object.entries(given ?? {})) {
      const parameter = parameters.find((p) => p.in === place && p.name === name);
      if (!parameter) faults.push(`${place} parameter ${name} is not published`);
      else if (name === 'created' && place === 'query' && raw.split('..').every((end) => fits(api, parameter.schema, end))) continue; // published as one time, described as a range of them
      else if (!fits(api, parameter.schema, raw)) faults.push(`${place} parameter ${name}=${raw} does not fit`);
    }
    for (const p of parameters) if (p.in === place && p.required && given?.[p.name] === undefined) faults.push(`${p.name} is missing`);
  };
  check('path', record.params);
  check('query', record.query);
  const body = operation.requestBody;
  if (record.status >= 400) return faults;
  if (record.request !== null && record.request !== undefined) {
    if (!body) return [...faults, 'a body is sent where none is published'];
    const { validate: check2, faults: compileFaults } = compiled(api, ['paths', template, method, 'requestBody', 'content', 'application/json', 'schema']);
    if (!check2) return [...faults, ...compileFaults];
    if (!check2(record.request)) faults.push(...explain(check2.errors).map((e) => `body: ${e}`));
  } else if (body?.required) faults.push('the body is missing');
  return faults;
}

function fits(api, schema, raw) {
  const candidates = [raw];
  if (/^-?\d+$/.test(raw)) candidates.push(Number(raw));
  if (raw === 'true' || raw === 'false') candidates.push(raw === 'true');
  const check = api.ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')));
  return candidates.some((value) => check(value));
}

/** Statuses that GitHub documents once for all operations. */
const EVERYWHERE = new Set([304, 401, 403, 404, 429, 500, 502, 503, 504]);

function answerSchema(api, template, method, status) {
  const response = api.at('paths', template, method, 'responses', String(status));
  if (!response) return { listed: false };
  const content = response.content ?? {};
  const media = Object.keys(content).find((type) => /json/.test(type));
  if (!media) return { listed: true };
  const ref = api.document.paths[template][method].responses[String(status)].$ref;
  const path = ref ? ref.slice(2).split('/') : ['paths', template, method, 'responses', String(status)];
  return { listed: true, path: [...path, 'content', media, 'schema'] };
}

function answerFaults(api, template, method, { status, response }) {
  const { listed, path } = answerSchema(api, template, method, status);
  if (!listed && !EVERYWHERE.has(status)) return [`status ${status} is not published`];
  if (!path) {
    if (listed && status < 400 && response !== null) return [`status ${status} has no body as published`];
    return status >= 400 && typeof response?.message !== 'string' ? ['an error without a message'] : [];
  }
  const { validate: check, faults } = compiled(api, path);
  if (!check) return faults;
  return check(response) ? [] : explain(check.errors);
}

function spoil(api, name, template, method, group) {
  const sample = group.find((r) => r.status < 300 && hasFields(r.response));
  if (!sample) {
    const faults = answerFaults(api, template, method, { status: 299, response: null });
    report(`${name} (broken on purpose)`, faults.length ? [] : ['an unpublished status is not refused']);
    return;
  }
  const { path } = answerSchema(api, template, method, sample.status);
  const check = path && compiled(api, path).validate;
  if (check) mustRefuse(name, check, sample.response);
}

function hasFields(response) {
  return response !== null && typeof response === 'object' && Object.keys(response).length > 0;
}

// --- Webhooks --------------------------------------------------------------------------------------------------------

function checkWebhooks(records) {
  const hooks = new Schemas('webhooks', JSON.parse(text('@octokit/openapi-webhooks/generated/api.github.com.json')));
  for (const [name, group] of grouped(records, (r) => [r.event, r.action].filter(Boolean).join(' '))) {
    const key = name.replaceAll(/[_ ]/g, '-');
    if (!hooks.at('webhooks', key)) {
      report(`webhook ${name}`, ['is not published']);
      continue;
    }
    const { validate: check, faults } = compiled(hooks, ['webhooks', key, 'post', 'requestBody', 'content', 'application/json', 'schema']);
    for (const { payload } of group) report(`webhook ${name}`, check ? (check(payload) ? [] : explain(check.errors)) : faults);
    if (check) mustRefuse(`webhook ${name}`, check, group[0].payload);
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const directory = process.argv[2];
if (!directory) {
  console.error('usage: node contract.mjs RECORDINGS');
  process.exit(1);
}
const all = await recordings(directory);
checkSubset();
checkQueries(all.filter((r) => r.kind === 'graphql'));
checkRest(all.filter((r) => r.kind === 'rest'));
checkWebhooks(all.filter((r) => r.kind === 'webhook'));
if (all.length === 0) report(directory, ['holds no recordings']);
for (const [subject, list] of failures) {
  console.log(`FAILED ${subject} (${list.length} times)`);
  for (const fault of list[0].slice(0, 8)) console.log(`    ${fault}`);
}
const failed = [...failures.values()].reduce((sum, list) => sum + list.length, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
