/**
 * What goes wrong before or while starting: a clear error that names it, or an event; never silence.
 */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, type ConsumerOptions, KafkaError, startConsumer } from 'keylane';
import { describe, expect, inject, test } from 'vitest';
import { baseOptions, handlerFile, uniqueName, until, useBroker } from './support.ts';

async function rejection(options: ConsumerOptions): Promise<Error> {
  return startConsumer(options).then(
    async (consumer) => {
      await consumer.close();
      throw new Error('it started');
    },
    (error: Error) => error,
  );
}

describe('a handler module', () => {
  const broker = useBroker('embedded');

  async function moduleWith(source: string): Promise<string> {
    const path = join(tmpdir(), `${uniqueName('handler')}.mjs`);
    await writeFile(path, source);
    return path;
  }

  test.each([
    { name: 'with a syntax error', source: 'export default (', says: 'Unexpected' },
    { name: 'that throws when loaded', source: "throw new Error('no database')", says: 'no database' },
    { name: 'without a default export', source: 'export const handle = () => {}', says: 'it has no default export' },
    { name: 'whose default export is no handler', source: 'export default 7', says: 'its default export is number' },
    {
      name: 'whose open throws',
      source: "export default { open() { throw new Error('cannot open') }, handle() {} }",
      says: 'cannot open',
    },
    {
      name: 'whose decoder can decode nothing',
      source: "export default { value: 'json', handle() {} }",
      says: "the handler's value decoder is string",
    },
    { name: 'that ends its thread', source: 'process.exit(9)', says: '9' },
  ])('$name: startConsumer rejects with the cause', async ({ source, says }) => {
    const handler = await moduleWith(source);
    const error = await rejection({ ...baseOptions(broker, 'g'), topics: ['t'], handler, threads: 2 });
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toMatchObject({ code: 'ERR_HANDLER_LOAD' });
    expect(error.message).toContain(says);
    expect(error.cause).toBeInstanceOf(Error);
  });

  test('that is missing: the error names it', async () => {
    const handler = '/nowhere/handler.js';
    const error = await rejection({ ...baseOptions(broker, 'g'), topics: ['t'], handler });
    expect(error).toMatchObject({ code: 'ERR_HANDLER_LOAD' });
    expect(error.message).toContain('/nowhere/handler.js');
  });

  test('is not even loaded where an option is wrong', async () => {
    const handler = await moduleWith("throw new Error('loaded')");
    const options = { ...baseOptions(broker, 'g'), topics: [], handler, threads: 0, ordering: 'keys' } as never;
    const error = (await rejection(options)) as ConfigurationError;
    expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID' });
    expect(error.problems.map((problem) => problem.split(':')[0])).toEqual(['topics', 'ordering', 'threads']);
  });
});

describe('a broker', () => {
  test('that nobody listens at: startConsumer rejects and names the address', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const kafka = { 'bootstrap.servers': `127.0.0.1:${port}`, 'group.id': 'g' };
    const onWarning = () => undefined;
    process.on('warning', onWarning);
    const error = await rejection({
      kafka,
      topics: ['t'],
      handler: handlerFile('echo'),
      handlerData: 'x',
      startTimeoutMs: 1_000,
    });
    process.off('warning', onWarning);
    expect(error).toBeInstanceOf(KafkaError);
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(error.message).toContain('1000 ms');
    expect(error.message).toContain('broker transport failure');
  });

  test('and a configuration the client does not know: the error names the key', async () => {
    const kafka = { 'bootstrap.servers': '127.0.0.1:1', 'group.id': 'g', 'no.such.key': 1 };
    const error = await rejection({ kafka, topics: ['t'], handler: () => undefined });
    expect(error).toBeInstanceOf(KafkaError);
    expect(error.message).toContain('no.such.key');
  });
});

describe.skipIf(inject('kafka') === '')('a real broker', () => {
  const broker = useBroker('real');

  test('without the topic: a warning names it, and it is consumed as soon as it exists', async () => {
    const topic = uniqueName('not-yet');
    const warnings: Error[] = [];
    let handled = 0;
    await using consumer = await startConsumer({
      ...baseOptions(broker, uniqueName('g'), { 'topic.metadata.refresh.interval.ms': 200 }),
      topics: [topic],
      handler: () => {
        handled += 1;
      },
    });
    consumer.on('warning', (warning) => void warnings.push(warning));
    await until(() => warnings.length > 0, consumer);
    expect(warnings[0]).toMatchObject({ code: 'ERR_KAFKA', kafkaCode: 3 });
    expect(warnings[0]?.message).toContain(topic);
    await broker.cluster.createTopic(topic, 1);
    await broker.cluster.produce([{ topic, value: 'here' }]);
    await until(() => handled === 1, consumer);
    await broker.cluster.deleteTopic(topic);
  });

  test.skipIf(inject('securedKafka') === '')(
    'that refuses the password: it is told while it is tried again, and startConsumer rejects with it',
    async () => {
      const told: string[] = [];
      const onWarning = ({ message }: Error) => void told.push(message);
      process.on('warning', onWarning);
      const start = rejection({
        ...secured('wrong'),
        topics: ['t'],
        handler: () => undefined,
        startTimeoutMs: 5_000,
      });
      const first = await Promise.race([start, until(() => told.some((message) => /authentication/i.test(message)))]);
      process.off('warning', onWarning);
      expect(first).toBeUndefined();
      const error = await start;
      expect(error).toBeInstanceOf(KafkaError);
      expect(error.message).toMatch(/authentication/i);
    },
  );

  test.skipIf(inject('securedKafka') === '')('that refuses the topic and the group: warnings that say so', async () => {
    const topic = await broker.topic(1);
    const warnings: Error[] = [];
    await using consumer = await startConsumer({ ...secured('app-secret'), topics: [topic], handler: () => undefined });
    consumer.on('warning', (warning) => void warnings.push(warning));
    await until(() => warnings.length >= 2, consumer);
    const said = warnings.map(({ message }) => message).join('\n');
    expect(said).toContain(`topic ${topic} does not exist, or this client may not see it`);
    expect(said).toMatch(/group authorization failed/i);
  });

  function secured(password: string): Pick<ConsumerOptions, 'kafka'> {
    return {
      kafka: {
        'bootstrap.servers': inject('securedKafka'),
        'group.id': 'g',
        'security.protocol': 'sasl_plaintext',
        'sasl.mechanisms': 'PLAIN',
        'sasl.username': 'app',
        'sasl.password': password,
      },
    };
  }
});
