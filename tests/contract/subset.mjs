// Proves that the twin's SDL is contained in GitHub's published one: whoever works against the twin works against GitHub.
import { parse, print } from 'graphql';

/** What the subset says that the published schema does not, one line each; empty when it is contained. */
export function notContained(subset, published) {
  const known = new Map(parse(published).definitions.filter((d) => d.name).map((d) => [d.name.value, d]));
  const faults = [];
  for (const mine of parse(subset).definitions) {
    const name = mine.name.value;
    const theirs = known.get(name);
    if (!theirs) faults.push(`${name} is not published`);
    else if (theirs.kind !== mine.kind) faults.push(`${name} is published as ${theirs.kind}`);
    else faults.push(...compare(name, mine, theirs));
  }
  return faults;
}

function* compare(name, mine, theirs) {
  yield* named(`${name} as interface`, mine.interfaces, theirs.interfaces);
  yield* named(`${name} as member`, mine.types, theirs.types);
  yield* named(`${name} as value`, mine.values, theirs.values);
  if (mine.kind === 'EnumTypeDefinition' && mine.values.length !== theirs.values.length) {
    yield `${name} has ${theirs.values.length} values as published, not ${mine.values.length}`;
  }
  for (const field of mine.fields ?? []) {
    const where = `${name}.${field.name.value}`;
    const same = theirs.fields.find((f) => f.name.value === field.name.value);
    if (!same) yield `${where} is not published`;
    else {
      yield* alike(where, field, same);
      yield* argumentsOf(where, field.arguments ?? [], same.arguments ?? []);
    }
  }
  if (mine.kind === 'InputObjectTypeDefinition') yield* required(name, mine.fields, theirs.fields);
}

function* argumentsOf(where, mine, theirs) {
  for (const argument of mine) {
    const same = theirs.find((a) => a.name.value === argument.name.value);
    if (!same) yield `${where}(${argument.name.value}:) is not published`;
    else yield* alike(`${where}(${argument.name.value}:)`, argument, same);
  }
  yield* required(where, mine, theirs);
}

function* required(where, mine, theirs) {
  for (const one of theirs) {
    const demanded = one.type.kind === 'NonNullType' && !one.defaultValue;
    if (demanded && !mine.some((m) => m.name.value === one.name.value)) yield `${where} lacks ${one.name.value}, required as published`;
  }
}

function* alike(where, mine, theirs) {
  if (print(mine.type) !== print(theirs.type)) yield `${where} is ${print(mine.type)}, published as ${print(theirs.type)}`;
  const value = (one) => (one.defaultValue ? print(one.defaultValue) : 'none');
  if (value(mine) !== value(theirs)) yield `${where} defaults to ${value(mine)}, published as ${value(theirs)}`;
}

function* named(what, mine, theirs) {
  for (const one of mine ?? []) {
    const name = one.name.value;
    if (!theirs?.some((t) => t.name.value === name)) yield `${what}: ${name} is not published`;
  }
}
