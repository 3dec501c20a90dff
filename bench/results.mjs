// What a run leaves behind: results.json, results.md, charts. Written after every workload, so that an interrupted run
// keeps what it has; a later run can add to it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeCharts } from './charts.mjs';
import { accuracyTable, curveTables, loadTable, ratioTable, workloadTable } from './report.mjs';
import { workloads } from './workloads.mjs';

const order = new Map(workloads.map(({ id }, i) => [id, i]));

/** Most threads first, then in the order of the workloads. */
const compare = (a, b) => b.threads - a.threads || order.get(a.workload) - order.get(b.workload);

export class Results {
  /**
   * @param {string} folder
   * @param {object} machine
   * @param {boolean} add whether what lies in `folder` is kept; workloads measured again replace theirs
   */
  constructor(folder, machine, add) {
    const file = path.join(folder, 'results.json');
    const before = add && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    if (before.machine && before.machine.cpu !== machine.cpu)
      throw new Error(`--add: ${file} is of another machine (${before.machine.cpu})`);
    this.folder = folder;
    this.report = { results: [], loaded: {}, ...before, machine, date: new Date().toISOString() };
  }

  /** Each peer's `{ load_ms, rss }` with one tower; the first of a tower counts, it has the most threads. */
  setLoaded(tower, loaded) {
    this.report.loaded[tower] = { ...loaded, ...this.report.loaded[tower] };
  }

  put(result) {
    const others = this.report.results.filter(
      ({ workload, threads }) => workload !== result.workload || threads !== result.threads,
    );
    this.report.results = [...others, result].sort(compare);
    this.write();
  }

  summary() {
    const { results, loaded } = this.report;
    return [ratioTable(results), accuracyTable(results), loadTable(loaded), ...curveTables(results)]
      .filter(Boolean)
      .join('\n');
  }

  write() {
    const { machine, date, results } = this.report;
    mkdirSync(this.folder, { recursive: true });
    const write = (name, content) => writeFileSync(path.join(this.folder, name), content);
    write('results.json', `${JSON.stringify(this.report, null, 2)}\n`);
    const tables = results.filter(({ curve }) => !curve).map(workloadTable);
    const heading = `${machine.cpu}, ${machine.cores} cores; ${machine.addon}; ${machine.versions}; ${date.slice(0, 10)}`;
    write('results.md', `${[heading, this.summary(), ...tables].join('\n\n')}`);
    writeCharts(this.report, this.folder);
  }
}
