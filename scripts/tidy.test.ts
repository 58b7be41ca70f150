/**
 * The house rules, as a test over the repository: who may import whom, how long things may be, what names must say.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const FILE_LINES_MAX = 350;
const FUNCTION_LINES_MAX = 70;
const LINE_LENGTH_MAX = 120;

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => /\.(ts|mjs)$/.test(path));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const library = files.filter((path) => path.startsWith('packages/keylane/src/') && !path.endsWith('.test.ts'));

interface Import {
  readonly from: string;
  /** A path of the repository, or a package's name. */
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const note = (specifier: string, typeOnly: boolean) => {
    const to = specifier.startsWith('.') ? relative(root, resolve(root, dirname(path), specifier)) : specifier;
    found.push({ from: path, to, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const named = node.importClause?.namedBindings;
      const allTypes =
        named !== undefined && ts.isNamedImports(named) && named.elements.every(({ isTypeOnly }) => isTypeOnly);
      note(node.moduleSpecifier.text, node.importClause?.isTypeOnly === true || allTypes);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      note(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier !== undefined && ts.isStringLiteral(specifier)) note(specifier.text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const imports = library.flatMap(importsOf);
const inFolder = (path: string, folder: string): boolean => path.startsWith(`packages/keylane/src/${folder}/`);
const show = ({ from, to }: Import): string => `${from} imports ${to}`;

describe('imports', () => {
  test('wire/ imports nothing above it', () => {
    const wrong = imports.filter(
      ({ from, to }) => inFolder(from, 'wire') && to.startsWith('packages/') && !inFolder(to, 'wire'),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test('worker/ imports only wire/ and itself: it runs in another thread', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        inFolder(from, 'worker') && to.startsWith('packages/') && !inFolder(to, 'worker') && !inFolder(to, 'wire'),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test('poller/ runs nothing of worker/', () => {
    const wrong = imports.filter(
      ({ from, to, typeOnly }) => inFolder(from, 'poller') && inFolder(to, 'worker') && !typeOnly,
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test.each([
    ['@confluentinc/kafka-javascript', 'packages/keylane/src/poller/confluent.ts'],
    ['piscina', 'packages/keylane/src/executor/thread-executor.ts'],
    ['p-queue', 'packages/keylane/src/executor/inline-executor.ts'],
    ['zod', 'packages/keylane/src/options.ts'],
  ])('%s is imported by one file', (name, file) => {
    expect([...new Set(imports.filter(({ to }) => to === name).map(({ from }) => from))]).toEqual([file]);
  });

  test('the client is loaded by dynamic import only', () => {
    const statically = read('packages/keylane/src/poller/confluent.ts').match(
      /^(import|export) (?!type).*kafka-javascript/gm,
    );
    expect(statically).toBeNull();
  });

  test('no cycles, types aside', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const cycles: string[] = [];
    const done = new Set<string>();
    const walk = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (trail.includes(path) || done.has(path)) return;
      for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
      done.add(path);
    };
    for (const path of edges.keys()) walk(path, []);
    expect(cycles).toEqual([]);
  });

  test('only the pipeline makes stations', () => {
    const stations = ['Assignment', 'Breaker', 'Budget', 'Committer', 'Dispatcher', 'Pauses', 'Poller', 'Settle'];
    const makers = library.filter((path) => stations.some((station) => read(path).includes(`new ${station}(`)));
    expect(makers).toEqual(['packages/keylane/src/poller/pipeline.ts']);
  });
});

describe('the command line', () => {
  const cli = files.filter((path) => path.startsWith('packages/cli/src/') && !path.endsWith('.test.ts'));
  const importers = (name: string) => cli.filter((path) => importsOf(path).some(({ to }) => to === name));

  test('only kafka/ imports the client, and commands/ the parser of command lines', () => {
    const client = importers('@confluentinc/kafka-javascript');
    expect(client.filter((path) => !path.startsWith('packages/cli/src/kafka/'))).toEqual([]);
    const parser = importers('commander').filter((path) => !path.startsWith('packages/cli/src/commands/'));
    expect(parser).toEqual(['packages/cli/src/program.ts']);
  });

  test('every file says what it is for, and makes its errors in errors.ts', () => {
    expect(cli.filter((path) => !/^(#!.*\n)?\/\*\*/.test(read(path)))).toEqual([]);
    expect(cli.filter((path) => /new (Error|TypeError|RangeError)\(/.test(read(path)))).toEqual([]);
  });
});

describe('size', () => {
  test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
    const long = files
      .map((path) => ({ path, lines: read(path).split('\n').length }))
      .filter(({ lines }) => lines > FILE_LINES_MAX);
    expect(long).toEqual([]);
  });

  test(`no line is longer than ${LINE_LENGTH_MAX} characters`, () => {
    // A string that has to be one, such as a test's title or the words a mutant replaces, may be longer.
    const long = files.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) =>
          line.length > LINE_LENGTH_MAX && !/^\s*(test\()?['"`]/.test(line) ? [`${path}:${index + 1}`] : [],
        ),
    );
    expect(long).toEqual([]);
  });

  test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, () => {
    const long: string[] = [];
    for (const path of files.filter((name) => !name.endsWith('.test.ts'))) {
      const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
      const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line + 1;
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node)) {
          const lines = lineOf(node.getEnd()) - lineOf(node.getStart()) + 1;
          if (lines > FUNCTION_LINES_MAX) long.push(`${path}:${lineOf(node.getStart())} has ${lines} lines`);
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    expect(long).toEqual([]);
  });
});

describe('words', () => {
  test('every source file says what it is for', () => {
    const without = files.filter(
      (path) =>
        !path.includes('.test.') && !path.includes('/handlers/') && !/^(#!.*\n)?\/\*\*|^\/\/|^import/.test(read(path)),
    );
    const silent = library.filter((path) => !read(path).startsWith('/**'));
    expect([...without, ...silent]).toEqual([]);
  });

  test('errors are made in errors.ts, and rebuilt in wire-error.ts', () => {
    const makers = library.filter((path) => /new (Error|TypeError|RangeError)\(/.test(read(path)));
    expect(makers).toEqual(['packages/keylane/src/errors.ts', 'packages/keylane/src/wire/wire-error.ts']);
  });

  test('an option that is a duration or a size has its unit in its name', () => {
    const source = read('packages/keylane/src/options.ts');
    const body = source.slice(
      source.indexOf('export interface ConsumerOptions'),
      source.indexOf('export type ResolvedOptions'),
    );
    const named = [...body.matchAll(/readonly (\w+)\??: number/g)].map(([, name]) => name as string);
    const withoutUnit = named.filter(
      (name) => !/(Ms|BytesMax|CharactersMax|RecordsMax|RecordsPerPartitionMax|PerPollMax)$/.test(name),
    );
    // Counts of what the name itself says.
    expect(withoutUnit).toEqual(['threads', 'concurrencyPerThread']);
  });

  test('words we do not use', () => {
    const banned = /\b(watermark|shard|acked|ack)\b/i;
    expect(library.filter((path) => banned.test(read(path).replaceAll('high watermark', '')))).toEqual([]);
  });

  test('nothing left over', () => {
    const marks = new RegExp(['TO', 'DO|FIX', 'ME|X', 'XX'].join(''));
    expect(files.filter((path) => marks.test(read(path)))).toEqual([]);
  });
});
