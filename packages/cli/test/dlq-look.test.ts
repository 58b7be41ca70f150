/**
 * `keylane dlq list` and `show`: on dead letters of every form, as the executable prints them.
 */
import { describe, expect, inject, test } from 'vitest';
import { brokers, uniqueName, useBroker } from '../../keylane/test/support.ts';
import { deadLetter, keylane, named, start } from './support.ts';

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

describe.each(brokers)('on the %s broker', (kind) => {
  const broker = useBroker(kind);

  /** One of each: ours in three forms, Spring Kafka's, Kafka Connect's, and a record that is no dead letter. */
  async function mixed() {
    const topic = await broker.topic(2);
    const origin = 'orders';
    const value = Buffer.from([0, 1, 2, 0xff]);
    await broker.cluster.produce([
      deadLetter(topic, { topic: origin, offset: 10, form: 'spring', key: 'anna', value: '{"id":10,"lines":[1]}' }),
      deadLetter(topic, { topic: origin, offset: 11, form: 'connect', stage: 'timeout', error: named('Hung', '30 s') }),
      deadLetter(topic, { topic: 'refunds', offset: 12, key: Buffer.from([0xff, 0]), value, stage: 'deserialize' }),
      {
        topic,
        partition: 0,
        key: 'spring',
        value: 'of another application',
        headers: [
          ['kafka_dlt-original-topic', 'payments'],
          ['kafka_dlt-original-partition', int32(3)],
          ['kafka_dlt-original-offset', int64(77)],
          ['kafka_dlt-exception-fqcn', 'com.example.PaymentException'],
          ['kafka_dlt-exception-message', 'bad \u001b[31mcard\u001b[0m\nsecond line'],
        ],
      },
      {
        topic,
        partition: 0,
        key: 'connect',
        value: 'of a connector',
        headers: [
          ['__connect.errors.topic', 'clicks'],
          ['__connect.errors.partition', '1'],
          ['__connect.errors.offset', '5'],
          ['__connect.errors.stage', 'VALUE_CONVERTER'],
          ['__connect.errors.exception.class.name', 'DataException'],
        ],
      },
      { topic, partition: 0, key: 'plain', value: 'nothing said' },
    ]);
    return topic;
  }

  test('list: one JSON object a line, whoever wrote the dead letter', async () => {
    const topic = await mixed();
    const { code, stdout, stderr } = await keylane(broker.servers, 'dlq', 'list', topic, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(
      rows.map(({ at, origin, format, stage, error, key, attempts, replayed }) => ({
        at,
        origin,
        format,
        stage,
        error,
        key,
        attempts,
        replayed,
      })),
    ).toEqual([
      {
        ...{ at: `${topic}[0]@0`, origin: 'orders[0]@10', format: 'keylane', stage: 'handle', error: 'PaymentDown' },
        ...{ key: 'anna', attempts: 5, replayed: false },
      },
      {
        ...{ at: `${topic}[0]@1`, origin: 'orders[0]@11', format: 'keylane', stage: 'timeout', error: 'Hung' },
        ...{ key: 'key-11', attempts: 5, replayed: false },
      },
      {
        ...{ at: `${topic}[0]@2`, origin: 'refunds[0]@12', format: 'keylane', stage: 'deserialize' },
        ...{ error: 'PaymentDown', key: 'hex:ff00', attempts: 5, replayed: false },
      },
      {
        ...{ at: `${topic}[0]@3`, origin: 'payments[3]@77', format: 'spring', stage: null },
        ...{ error: 'com.example.PaymentException', key: 'spring', attempts: null, replayed: false },
      },
      {
        ...{ at: `${topic}[0]@4`, origin: 'clicks[1]@5', format: 'connect', stage: 'VALUE_CONVERTER' },
        ...{ error: 'DataException', key: 'connect', attempts: null, replayed: false },
      },
      {
        ...{ at: `${topic}[0]@5`, origin: null, format: null, stage: null, error: null },
        ...{ key: 'plain', attempts: null, replayed: false },
      },
    ]);
  });

  test('list: filters, and what they leave', async () => {
    const topic = await mixed();
    const cases: [string[], number[]][] = [
      [
        ['--error', 'payment'],
        [0, 2, 3],
      ],
      [
        ['--error', '^hung$|DATAexception'],
        [1, 4],
      ],
      [['--stage', 'deserialize'], [2]],
      [
        ['--origin-topic', 'orders'],
        [0, 1],
      ],
      [['--key', 'anna'], [0]],
      [['--key', 'hex:ff00'], [2]],
      [
        ['--at', '0@3', '--at', '0@5'],
        [3, 5],
      ],
      [['--except', '0@0', '--origin-topic', 'orders'], [1]],
      [['--until', '2023-11-14T22:15:00.011Z'], [0]],
      [['--since', '2023-11-14T22:15:00.011Z', '--stage', 'timeout'], [1]],
      [
        ['--limit', '2', '--until', '2024-01-01T00:00:00Z'],
        [1, 2],
      ],
      [['--partition', '1'], []],
    ];
    const found = await Promise.all(
      cases.map(async ([args]) => {
        const { stdout } = await keylane(broker.servers, 'dlq', 'list', topic, '--json', ...args);
        return stdout === ''
          ? []
          : stdout
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line).offset as number);
      }),
    );
    expect(found).toEqual(cases.map(([, offsets]) => offsets));
  });

  test('list: a table and what it comes to, without anything a terminal would obey', async () => {
    const topic = await mixed();
    const { code, stdout } = await keylane(broker.servers, 'dlq', 'list', topic);
    expect(code).toBe(0);
    expect(stdout).toContain('com.example.PaymentException: bad \\x1b[31mcard\\x1b[0m second line');
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toMatch(/^0@0 +2023-11-14 22:15:00Z +orders\[0\]@10 +handle +PaymentDown: no answer +anna +5$/m);
    expect(stdout).toContain(`6 dead letters in ${topic}`);
    const { stdout: counted } = await keylane(broker.servers, 'dlq', 'list', topic, '--summary', '--json');
    expect(JSON.parse(counted)).toMatchObject({ topic, total: 6, replayed: 0 });
    const { stdout: none } = await keylane(broker.servers, 'dlq', 'list', topic, '--stage', 'nothing');
    expect(none).toBe(`None of the 6 records of ${topic} matches.\n`);
  });

  test('show: all of one dead letter', async () => {
    const topic = await mixed();
    const { code, stdout } = await keylane(broker.servers, 'dlq', 'show', topic, '0@0');
    expect(code).toBe(0);
    for (const line of [
      /^came from {2}orders\[0\]@10 {2}\(group billing\)$/m,
      /^failed {5}2023-11-14 22:15:00Z$/m,
      /^trace id {3}0af7651916cd43dd8448eb211c80319c$/m,
      /^PaymentDown: no answer$/m,
      /^kafka_dlt-original-partition +hex:00000000 {2}= 0$/m,
      /^kafka_dlt-original-offset +hex:000000000000000a {2}= 10$/m,
      /^key \(4 bytes\)\nanna$/m,
      /^value \(21 bytes\)\n\{\n {2}"id": 10,\n/m,
    ]) {
      expect(stdout).toMatch(line);
    }
    const binary = await keylane(broker.servers, 'dlq', 'show', `${topic}[0]@2`);
    expect(binary.stdout).toMatch(/^00000000 {2}00 01 02 ff +\.\.\.\.$/m);
    const json = JSON.parse((await keylane(broker.servers, 'dlq', 'show', topic, '0@2', '--json')).stdout);
    expect(json).toMatchObject({
      origin: { topic: 'refunds', partition: 0, offset: 12, group: 'billing' },
      key: { base64: '/wA=' },
      value: { base64: 'AAEC/w==' },
    });
    expect(json.headers).toContainEqual({
      ...{ name: 'kafka_dlt-original-offset', base64: 'AAAAAAAAAAw=', number: 12 },
    });
  });

  test('show --raw: the bytes and nothing else', async () => {
    const topic = await mixed();
    const { child, finished } = start(broker.servers, ['dlq', 'show', topic, '0@2', '--raw', 'value']);
    const chunks: Buffer[] = [];
    child.stdout?.removeAllListeners('data');
    child.stdout?.setEncoding('latin1').on('data', (text: string) => chunks.push(Buffer.from(text, 'latin1')));
    expect((await finished).code).toBe(0);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from([0, 1, 2, 0xff]));
  });

  test('what is not there is named', async () => {
    const topic = await mixed();
    const run = (...args: string[]) => keylane(broker.servers, 'dlq', ...args);
    expect(await run('show', topic, '0@6')).toMatchObject({
      ...{ code: 1, stdout: '', stderr: `error: there is no ${topic}[0]@6: the log holds 0 to 5\n` },
    });
    expect((await run('show', topic, '9@0')).stderr).toContain(`there is no ${topic}[9]@0`);
    expect((await run('show', topic, '0@0', '--raw', 'header:x')).stderr).toContain('has no header x; it has');
    expect(await run('show', topic)).toMatchObject({ code: 2 });
  });
});

describe('without a usable cluster', () => {
  test.each<[string, string[], number, RegExp]>([
    ['no address', ['dlq', 'list', 't'], 2, /no cluster is named: add --bootstrap-servers HOST:PORT/],
    [
      'nobody there',
      ['dlq', 'list', 't', '-b', '127.0.0.1:1', '--timeout', '2'],
      1,
      /Connection refused\. Check the addr/,
    ],
    [
      'an unknown setting',
      ['dlq', 'list', 't', '-b', 'x:1', '-X', 'no.such=1'],
      1,
      /property: "no\.such"\. Check --kafka/,
    ],
    ['a typing error', ['dlq', 'lst', 't'], 2, /Did you mean list\?/],
    ['no number', ['dlq', 'list', 't', '--limit', 'x'], 2, /--limit x is no whole number/],
    ['no time', ['dlq', 'list', 't', '--since', 'noon'], 2, /noon is no time: give an ISO one/],
  ])('%s', async (_, args, code, message) => {
    const finished = await keylane('', ...args);
    expect(finished).toMatchObject({ code, stdout: '' });
    expect(finished.stderr).toMatch(message);
  });

  test('help has examples and needs no cluster', async () => {
    for (const command of ['list', 'show', 'replay']) {
      const { code, stdout } = await keylane('', 'dlq', command, '--help');
      expect({ code, examples: stdout.includes(`$ keylane dlq ${command} orders-dlt`) }).toEqual({
        code: 0,
        examples: true,
      });
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });
});

describe.runIf(inject('securedKafka') !== '')('on a cluster that refuses', () => {
  const secured = inject('securedKafka');
  const login = (password: string) => [
    ...['-X', 'security.protocol=sasl_plaintext', '-X', 'sasl.mechanism=PLAIN'],
    ...['-X', 'sasl.username=app', '-X', `sasl.password=${password}`],
  ];

  test('a wrong password: said so, and not said what', async () => {
    const { code, stderr } = await keylane(
      ...([secured, 'dlq', 'list', uniqueName('t'), '--timeout', '5', ...login('wr0ng-secret')] as const),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/[Aa]uthentication failed.*Check 'security\.protocol', 'sasl\.mechanism'/);
    expect(stderr).not.toContain('wr0ng-secret');
  });

  test('a topic one may not read', async () => {
    const { code, stderr } = await keylane(
      ...([secured, 'dlq', 'list', uniqueName('t'), '--timeout', '5', ...login('app-secret')] as const),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/no topic t-\w+, or none that this user may see\. Check its name and the cluster, and ask/);
  });
});
