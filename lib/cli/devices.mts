/** altclip devices: the CPU and GPUs that models can run on here. */
import { list_devices } from '../index.mjs';
import { type Command, parse, UsageError } from './arguments.mjs';
import { paint, size, table } from './terminal.mjs';

const help = `Usage: altclip devices [--json]

Lists what --device takes on this machine, in the order in which it is tried
where nothing is said. GPUs need the package @altclip/linux-x64-vulkan or
@altclip/win32-x64-vulkan, NVIDIA's on Linux @altclip/linux-x64-cuda; Apple's
need nothing.

      --json          [{"name", "backend", "description", "type",
                      "memory_free", "memory_total"}], in bytes`;

export const command: Command = {
  help,
  async run(args) {
    const { values, positionals } = parse(args, { json: { type: 'boolean' } });
    if (positionals.length > 0) throw new UsageError('devices takes no arguments');
    const devices = await list_devices();
    if (values.json) {
      console.log(JSON.stringify(devices, null, 2));
      return;
    }
    const rows = devices.map(({ name, description, type, memory_free, memory_total }) => [
      paint('bold', name),
      type === 'software' ? `${description} (a CPU: only where asked for)` : description,
      `${size(memory_free)} free of ${size(memory_total)}`,
    ]);
    console.log(table(rows));
  },
};
