/** The main process: a window, and the utility process that holds the model. */
import path from 'node:path';
import { app, BrowserWindow, ipcMain, type UtilityProcess, utilityProcess } from 'electron';
import type { Answer, Question, Reply } from './protocol';

/** The questions without an answer yet, by their number. */
const waiting = new Map<number, (answer: Answer) => void>();
let model: UtilityProcess | undefined;
let asked = 0;

/** The model's process; a new one where the last has ended, since the window outlives it. */
function modelProcess(): UtilityProcess {
  if (model) return model;
  const started = utilityProcess.fork(path.join(__dirname, 'model.js'), [], { serviceName: 'altclip' });
  started.on('message', ({ id, answer }: Reply) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  started.on('exit', (code) => {
    model = undefined;
    for (const settle of waiting.values()) settle({ error: `the model's process ended with code ${code}` });
    waiting.clear();
  });
  model = started;
  return started;
}

function openWindow(): void {
  const window = new BrowserWindow({
    width: 520,
    height: 720,
    title: 'altclip',
    webPreferences: { preload: path.join(__dirname, 'preload.js') },
  });
  // a picture dropped beside the field would otherwise take the page's place
  window.webContents.on('will-navigate', (event) => event.preventDefault());
  window.webContents.setWindowOpenHandler(() => ({ action: 'deny' }));
  void window.loadFile(path.join(__dirname, '..', 'index.html'));
}

ipcMain.handle('classify', (_event, picture: Uint8Array, labels: string[]): Promise<Answer> => {
  const question: Question = { id: asked++, picture, labels };
  return new Promise((settle) => {
    waiting.set(question.id, settle);
    modelProcess().postMessage(question);
  });
});

app.on('window-all-closed', () => {
  if (process.platform !== 'darwin') app.quit();
});
app.on('activate', () => {
  if (BrowserWindow.getAllWindows().length === 0) openWindow();
});
void app.whenReady().then(openWindow);
