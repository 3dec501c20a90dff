/** The devices that models run on: the CPU, and the GPUs of whichever addons are installed. */
import { cpus, freemem, totalmem } from 'node:os';
import { AltCLIPError, fromNative, invalid } from './errors';
import { type GpuBackend, gpuAddon, type NativeAddon, type NativeDevice, native } from './native';
import { shown } from './tensor';

/** Where a model runs. 'cuda' is 'cuda:0'; 'auto' is the fastest device that works. */
export type DeviceName = 'auto' | 'cpu' | Backend | `${Backend}:${number}`;
type Backend = NativeDevice['backend'];

/** A device as {@link list_devices} tells of it. */
export interface DeviceInfo {
  /** What `device` takes: 'cpu', 'cuda:0', 'vulkan:1', ... */
  name: string;
  backend: 'cpu' | Backend;
  /** The maker's name for it. */
  description: string;
  /** 'software': a CPU that poses as a GPU (Mesa's llvmpipe), which 'auto' never takes. */
  type: 'cpu' | NativeDevice['type'];
  /** Bytes, now; of a GPU that shares the machine's memory, what its driver grants. */
  memory_free: number;
  memory_total: number;
}

/** A device, and the addon that computes with it. */
export interface Placement {
  device: string;
  addon: NativeAddon;
}

const backends = ['cuda', 'metal', 'vulkan'] as const;
/** Backends with an addon of their own; Metal is part of the ordinary one on macOS. */
const extras: GpuBackend[] = ['cuda', 'vulkan'];
const speed = { discrete: 0, integrated: 1, software: 2 };

/** Every GPU with its addon, in the order in which 'auto' tries them. */
async function findGpus(): Promise<{ info: NativeDevice; addon: NativeAddon }[]> {
  const addons = [native, ...extras.map(gpuAddon)].filter((one) => typeof one !== 'string');
  // a driver that fails is no reason not to compute with another's
  const lists = addons.map(async (addon) =>
    (await addon.listDevices().catch(() => [])).map((info) => ({ info, addon })),
  );
  const found = (await Promise.all(lists)).flat();
  return found.sort((a, b) => speed[a.info.type] - speed[b.info.type]);
}

/**
 * The devices that models can run on here: GPUs in the order in which 'auto' tries them, then the CPU. A GPU is listed
 * where the addon for it is installed (@altclip/linux-x64-vulkan, @altclip/win32-x64-vulkan, @altclip/linux-x64-cuda;
 * Metal comes with macOS's) and its driver works. Starting the drivers takes up to seconds, the first time.
 */
export async function list_devices(): Promise<DeviceInfo[]> {
  const gpus = (await findGpus()).map(
    ({ info: { memoryFree: memory_free, memoryTotal: memory_total, ...info } }): DeviceInfo => ({
      ...info,
      memory_free,
      memory_total,
    }),
  );
  const description = cpus()[0]?.model.trim() ?? process.arch;
  const memory = { memory_free: freemem(), memory_total: totalmem() };
  return [...gpus, { name: 'cpu', backend: 'cpu', description, type: 'cpu', ...memory }];
}

/** Throws INVALID_ARGUMENT for what names no device anywhere. */
export function checkDevice(device: unknown): asserts device is DeviceName {
  if (typeof device === 'string' && /^(auto|cpu|(cuda|metal|vulkan)(:\d{1,3})?)$/.test(device)) return;
  invalid(
    `device: got ${shown(device)}, expected 'auto', 'cpu', ${backends.map((name) => `'${name}'`).join(', ')}, or one of several as in 'cuda:1'`,
  );
}

/**
 * Where a model may run, best first: one place for a named device, several for 'auto'.
 * @throws UNSUPPORTED for a named device that is not to be had, with the reason.
 */
export async function placements(device: DeviceName): Promise<Placement[]> {
  const cpu = { device: 'cpu', addon: native };
  if (device === 'cpu') return [cpu];
  if (device === 'auto') {
    const gpus = await findGpus();
    return [
      ...gpus.filter(({ info }) => info.type !== 'software').map(({ info, addon }) => ({ device: info.name, addon })),
      cpu,
    ];
  }
  const [backend, index = '0'] = device.split(':') as [Backend, string?];
  const addon = backend === 'metal' ? native : gpuAddon(backend);
  if (typeof addon === 'string') throw unavailable(device, addon);
  const devices = await fromNative(addon.listDevices());
  const name = `${backend}:${Number(index)}`;
  if (devices.some((one) => one.name === name)) return [{ device: name, addon }];
  const known = devices.map((one) => one.name).join(', ');
  throw unavailable(device, known === '' ? noDevice(backend) : `there is only ${known}`);
}

function unavailable(device: string, reason: string): AltCLIPError {
  return new AltCLIPError('UNSUPPORTED', `device: '${device}' cannot be used: ${reason}`);
}

function noDevice(backend: Backend): string {
  if (backend === 'metal' && process.platform !== 'darwin') return 'Metal is for macOS';
  return `no driver on this machine offers a ${backend === 'cuda' ? 'CUDA' : backend === 'metal' ? 'Metal' : 'Vulkan'} device`;
}
