import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AltCLIPModel, list_devices } from '../lib';
import type { NativeDevice } from '../lib/native';
import { fixture, temporaryFolder } from './helpers/fixtures';

/** An addon for Vulkan whose driver lists what a test says and takes no model. */
const vulkan = vi.hoisted(() => ({
  AbortFlag: class {},
  devices: [] as NativeDevice[],
  listDevices: vi.fn(),
  loadModel: vi.fn(),
}));
/** One for CUDA, where a test says that it is installed. */
const cuda = vi.hoisted(() => ({ listDevices: vi.fn() }));
vi.mock('../lib/native', async (original) => ({
  ...(await original<object>()),
  gpuAddon: (backend: string) => {
    if (backend === 'vulkan') return vulkan;
    return cuda.listDevices.getMockImplementation() ? cuda : '@altclip/linux-x64-cuda is not installed';
  },
}));

const gpu = (place: number, type: NativeDevice['type']): NativeDevice => ({
  name: `vulkan:${place}`,
  backend: 'vulkan',
  description: `GPU ${place}`,
  type,
  memoryFree: 1 << 30,
  memoryTotal: 2 ** 31,
});
const failing = (code: string) => () => Promise.reject(Object.assign(new Error('lost'), { code, altclip: true }));
const load = (device?: string) =>
  AltCLIPModel.from_pretrained(fixture('models', 'tiny'), { cache_dir, device } as never);
const cache_dir = temporaryFolder();

beforeEach(() => {
  cuda.listDevices.mockReset();
  vulkan.listDevices.mockReset().mockImplementation(async () => vulkan.devices);
  vulkan.loadModel.mockReset().mockImplementation(failing('INTERNAL'));
  vulkan.devices = [gpu(0, 'integrated'), gpu(1, 'discrete')];
});

describe('list_devices', () => {
  it("lists GPUs in the order in which 'auto' tries them, then the CPU", async () => {
    const devices = await list_devices();
    expect(devices.map(({ name }) => name)).toEqual(['vulkan:1', 'vulkan:0', 'cpu']);
    expect(devices[0]).toEqual({
      name: 'vulkan:1',
      backend: 'vulkan',
      description: 'GPU 1',
      type: 'discrete',
      memory_free: 1 << 30,
      memory_total: 2 ** 31,
    });
    expect(devices[2]).toMatchObject({ backend: 'cpu', type: 'cpu' });
    expect(devices[2]?.memory_free).toBeLessThanOrEqual(devices[2]?.memory_total as number);
  });
});

describe("device 'auto'", () => {
  it.each(['INTERNAL', 'OUT_OF_MEMORY', 'UNSUPPORTED'])('passes over GPUs that fail with %s', async (code) => {
    vulkan.loadModel.mockImplementation(failing(code));
    await using model = await load();
    expect(model.device).toBe('cpu');
    expect(vulkan.loadModel.mock.calls.map(([, { device }]) => device)).toEqual(['vulkan:1', 'vulkan:0']);
  });

  it('does not hide what is wrong with the model', async () => {
    vulkan.loadModel.mockImplementation(failing('MODEL_FORMAT'));
    await expect(load('auto')).rejects.toMatchObject({ code: 'MODEL_FORMAT' });
  });

  it('never takes a CPU that poses as a GPU, nor minds a driver that fails', async () => {
    vulkan.devices = [gpu(0, 'software')];
    await (await load()).dispose();
    vulkan.listDevices.mockImplementation(failing('INTERNAL'));
    await using model = await load();
    expect(model.device).toBe('cpu');
    expect(vulkan.loadModel).not.toHaveBeenCalled();
    expect((await list_devices()).map(({ name }) => name)).toEqual(['cpu']);
  });

  it("takes one driver's GPUs where another's fails", async () => {
    cuda.listDevices.mockImplementation(failing('INTERNAL'));
    expect((await list_devices()).map(({ name }) => name)).toEqual(['vulkan:1', 'vulkan:0', 'cpu']);
  });

  it("is not asked for with 'cpu'", async () => {
    await using model = await load('cpu');
    expect(model.device).toBe('cpu');
    expect(vulkan.listDevices).not.toHaveBeenCalled();
  });
});

describe('a named device', () => {
  it.each([
    ['vulkan', 'INTERNAL', /lost/],
    ['vulkan:7', 'UNSUPPORTED', /'vulkan:7' cannot be used: there is only vulkan:0, vulkan:1/],
    ['cuda:1', 'UNSUPPORTED', /'cuda:1' cannot be used: @altclip\/linux-x64-cuda is not installed/],
  ])('%s that cannot be had is an error with the reason', async (device, code, message) => {
    await expect(load(device)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('of which the driver offers none is an error that says so', async () => {
    vulkan.devices = [];
    await expect(load('vulkan')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('no driver on this machine offers a Vulkan device'),
    });
  });
});
