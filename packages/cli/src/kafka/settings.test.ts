import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { settingsOf, withoutSecrets } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'keylane-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'config');
  writeFileSync(path, text);
  return path;
}

describe('where settings come from', () => {
  const config = () => file('bootstrap.servers=file:9092\nclient.id=of-the-file\n');

  test('flags over the environment over the file', () => {
    const env = { KAFKA_BROKERS: 'env:9092' };
    expect(settingsOf({ config: config() }, {})['bootstrap.servers']).toBe('file:9092');
    expect(settingsOf({ config: config() }, env)['bootstrap.servers']).toBe('env:9092');
    const more = { ...env, KEYLANE_BOOTSTRAP_SERVERS: 'ours:9092' };
    expect(settingsOf({ config: config() }, more)['bootstrap.servers']).toBe('ours:9092');
    const flags = { config: config(), bootstrapServers: 'flag:9092', kafka: ['client.id=of-the-flag', 'a=b=c'] };
    expect(settingsOf(flags, env)).toEqual({ 'bootstrap.servers': 'flag:9092', 'client.id': 'of-the-flag', a: 'b=c' });
  });

  test.each([
    [{}, /no cluster is named/],
    [{ kafka: ['novalue'] }, /--kafka novalue is not name=value/],
    [{ config: '/no/such/file' }, /--config \/no\/such\/file cannot be read/],
  ])('%j is refused', (flags, message) => {
    expect(() => settingsOf(flags, {})).toThrow(message);
  });
});

describe('a file', () => {
  const read = (text: string) => settingsOf({ config: file(text) }, { KAFKA_BROKERS: 'b:1' });

  test('as JSON', () => {
    expect(read('{ "sasl.username": "u", "socket.timeout.ms": 1000 }')).toEqual({
      ...{ 'bootstrap.servers': 'b:1', 'sasl.username': 'u', 'socket.timeout.ms': 1000 },
    });
    expect(() => read('{ "sasl.password": "s3cret" oops')).toThrow(/^(?!.*s3cret).*begins like JSON and is none$/);
    expect(() => read('{ "a": { "b": 1 } }')).toThrow(/a must be a string, a number or a boolean/);
  });

  test('as Java properties', () => {
    const text = `# the cluster
security.protocol: SASL_SSL
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  username="the user" password="p\\"w=1";
ssl.truststore.type=PEM
ssl.truststore.location = /etc/ca.pem
ssl.endpoint.identification.algorithm=
key.deserializer=org.apache.kafka.common.serialization.StringDeserializer
group.id=of-the-application
`;
    expect(read(text)).toEqual({
      'bootstrap.servers': 'b:1',
      'security.protocol': 'SASL_SSL',
      'sasl.username': 'the user',
      'sasl.password': 'p"w=1',
      'ssl.ca.location': '/etc/ca.pem',
      'ssl.endpoint.identification.algorithm': 'none',
    });
  });

  test.each([
    ['ssl.truststore.location=/etc/trust.jks', /is a Java key store.*export the certificates as PEM/],
    ['sasl.jaas.config=com.example.Login required;', /sasl\.jaas\.config has no username and password/],
    ['hunter2', /is not name=value/],
  ])('%s is refused', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

test('secrets are taken out of what an error quotes', () => {
  const settings = { 'sasl.password': 'hunter2', 'ssl.key.pem': 'KEY', 'client.id': 'me' };
  expect(withoutSecrets('me: hunter2 and KEY are wrong', settings)).toBe('me: *** and *** are wrong');
});
