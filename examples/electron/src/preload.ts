/** The bridge: all that the page can reach of the world outside. */
import { contextBridge, ipcRenderer } from 'electron';
import type { Bridge } from './protocol';

const bridge: Bridge = {
  classify: (picture, labels) => ipcRenderer.invoke('classify', picture, labels),
};
contextBridge.exposeInMainWorld('altclip', bridge);
