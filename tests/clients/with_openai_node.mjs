// OpenAI's SDK for Node, as its documentation shows it: `node with_openai_node.mjs URL`. Tells what went well like calls.py.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const MODEL = 'smollm2';
const API_KEY = 'sk-test';
const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: API_KEY, maxRetries: 0 });
const messages = [{ role: 'user', content: 'What is the capital of France?' }];
const asked = { model: MODEL, messages, temperature: 0, max_tokens: 64 };
const responseAsked = { model: MODEL, input: messages, temperature: 0, max_output_tokens: 64 };

const City = z.object({
  name: z.string().regex(/^[A-Z][a-z]{1,10}$/),
  country: z.enum(['France', 'Italy']),
});
const parameters = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Paris', 'Lyon'] } },
  required: ['city'],
  additionalProperties: false,
};
const weather = { type: 'function', function: { name: 'weather', parameters } };

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const calls = {
  async chat() {
    const whole = await client.chat.completions.create(asked);
    const chunks = await collect(
      await client.chat.completions.create({
        ...asked,
        stream: true,
        stream_options: { include_usage: true },
      }),
    );
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(whole.choices[0].finish_reason, 'stop');
    assert.deepEqual(chunks.at(-1).usage, whole.usage);
  },

  async chat_stream_helper() {
    const final = await client.chat.completions.stream(asked).finalChatCompletion();
    assert.equal(final.choices[0].finish_reason, 'stop');
    assert.ok(final.choices[0].message.content);
  },

  async tools() {
    const demanded = { ...asked, tools: [weather], tool_choice: 'required' };
    const whole = (await client.chat.completions.create(demanded)).choices[0];
    const final = await client.chat.completions.stream(demanded).finalChatCompletion();
    const read = (choice) => choice.message.tool_calls.map((call) => JSON.parse(call.function.arguments));
    assert.ok(['Paris', 'Lyon'].includes(read(whole)[0].city));
    assert.deepEqual(read(final.choices[0]), read(whole));
    assert.equal(whole.finish_reason, 'tool_calls');
  },

  async run_tools() {
    for (const stream of [false, true]) {
      const asked_for = [];
      const called = { ...weather.function, parse: JSON.parse, function: ({ city }) => asked_for.push(city) };
      const runner = client.chat.completions.runTools({
        ...asked,
        stream,
        tools: [{ type: 'function', function: called }],
        tool_choice: { type: 'function', function: { name: 'weather' } },
      });
      await runner.done();
      assert.ok(['Paris', 'Lyon'].includes(asked_for[0]));
    }
  },

  async structured_output() {
    const response_format = zodResponseFormat(City, 'city');
    const whole = await client.chat.completions.parse({ ...asked, response_format });
    const final = await client.chat.completions.stream({ ...asked, response_format }).finalChatCompletion();
    assert.ok(City.parse(whole.choices[0].message.parsed));
    assert.deepEqual(final.choices[0].message.parsed, whole.choices[0].message.parsed);
  },

  async responses() {
    const whole = await client.responses.create(responseAsked);
    const events = await collect(await client.responses.create({ ...responseAsked, stream: true }));
    const text = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta);
    assert.equal(text.join(''), whole.output_text);
    assert.equal(events.at(-1).type, 'response.completed');
  },

  async responses_parse() {
    const text = { format: zodTextFormat(City, 'city') };
    const parsed = await client.responses.parse({ ...responseAsked, text });
    const final = await client.responses.stream({ ...responseAsked, text }).finalResponse();
    assert.ok(City.parse(parsed.output_parsed));
    assert.deepEqual(final.output_parsed, parsed.output_parsed);
  },

  async responses_tools() {
    const tool = { type: 'function', name: 'weather', parameters, strict: true };
    const called = await client.responses.create({ ...responseAsked, tools: [tool], tool_choice: 'required' });
    assert.equal(called.output[0].type, 'function_call');
    assert.ok(['Paris', 'Lyon'].includes(JSON.parse(called.output[0].arguments).city));
  },

  async completions() {
    const text = { model: MODEL, prompt: 'The capital of France is', temperature: 0, max_tokens: 8 };
    const whole = await client.completions.create(text);
    const chunks = await collect(await client.completions.create({ ...text, stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join(''), whole.choices[0].text);
  },

  async models() {
    const [listed] = await collect(await client.models.list());
    assert.deepEqual(await client.models.retrieve(MODEL), listed);
  },

  async errors() {
    const ask = (changed, by = client) => by.chat.completions.create({ ...asked, ...changed });
    await assert.rejects(ask({ temperature: -1 }), OpenAI.BadRequestError);
    await assert.rejects(ask({ model: 'gpt-9', stream: true }), OpenAI.NotFoundError);
    await assert.rejects(ask({}, client.withOptions({ apiKey: 'sk-wrong' })), OpenAI.AuthenticationError);
  },
};

const { version } = JSON.parse(readFileSync(new URL('node_modules/openai/package.json', import.meta.url)));
for (const [call, run] of Object.entries(calls)) {
  try {
    await run();
    console.log(JSON.stringify({ client: 'openai (Node)', version, call }));
  } catch (error) {
    console.error(call, error);
    process.exitCode = 1;
  }
}
