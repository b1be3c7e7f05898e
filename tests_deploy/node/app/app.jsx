// Draws a dashboard as Grafana lays it out, each panel by Grafana's own component, from a real Prometheus.
// The page's title says how it went; window.drawn has each panel's frames, rows and errors.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { ThemeContext, createTheme, dateTime } from '@grafana/data';
import { GlobalStyles, PanelChrome, PortalContainer } from '@grafana/ui';
import { prepared } from './fields';
import { fill, framesOf } from './frames';
import { components } from './panels';

const GAP = 8;
const CELL = 30;
window.drawn = {};

class Guard extends React.Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    window.drawn[this.props.title].error = String(error.stack ?? error);
  }

  render() {
    return this.state.error ? <pre>{String(this.state.error)}</pre> : this.props.children;
  }
}

function place({ x, y, w, h }, width) {
  const column = (width + GAP) / 24;
  return { left: x * column, top: y * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP };
}

function Heading({ title, box }) {
  return <h4 style={{ position: 'absolute', left: box.left, top: box.top + 4, margin: 0, fontWeight: 500 }}>{title}</h4>;
}

async function element(panel, settings, theme, timeRange) {
  const box = place(panel.gridPos, settings.width - 2 * GAP);
  const title = fill(panel.title, settings.variables);
  if (panel.type === 'row') {
    return <Heading box={box} key={panel.id} title={title} />;
  }
  const frames = await prepared(panel, await framesOf(panel, settings), theme);
  window.drawn[panel.title] = { type: panel.type, frames: frames.length, rows: frames.reduce((sum, frame) => sum + frame.length, 0) };
  const Component = components[panel.type];
  return (
    <div data-panel={panel.title} key={panel.id} style={{ position: 'absolute', ...box }}>
      <PanelChrome description={panel.description} height={box.height} title={title} width={box.width}>
        {(width, height) => (
          <Guard title={panel.title}>
            {frames.length || panel.type === 'stat' ? (
              <Component frames={frames} height={height} panel={panel} theme={theme} timeRange={timeRange} width={width} />
            ) : (
              <div style={{ textAlign: 'center', paddingTop: 40 }}>{panel.fieldConfig.defaults.noValue}</div>
            )}
          </Guard>
        )}
      </PanelChrome>
    </div>
  );
}

async function main() {
  const [dashboard, settings] = await Promise.all(['dashboard.json', 'settings.json'].map(async (name) => (await fetch(name)).json()));
  const theme = createTheme({ colors: { mode: settings.theme } });
  const timeRange = { from: dateTime(settings.start * 1000), to: dateTime(settings.end * 1000) };
  timeRange.raw = { from: timeRange.from, to: timeRange.to };
  const shown = dashboard.panels.filter(({ gridPos: { y } }) => y >= settings.first && y < settings.first + settings.rows);
  const panels = shown.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y - settings.first } }));
  const elements = [];
  for (const panel of panels) {
    elements.push(await element(panel, settings, theme, timeRange));
  }
  const height = Math.max(...panels.map((panel) => panel.gridPos.y + panel.gridPos.h)) * (CELL + GAP);
  const chosen = dashboard.templating.list.filter((variable) => variable.type !== 'datasource' && !variable.hide);
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PortalContainer />
      <div style={{ padding: GAP, background: theme.colors.background.canvas }}>
        <h3 style={{ margin: '4px 0 10px' }}>{dashboard.title}</h3>
        <div style={{ display: 'flex', gap: 8, marginBottom: 10 }}>
          {chosen.map((variable) => (
            <span key={variable.name} style={{ border: `1px solid ${theme.colors.border.medium}`, padding: '3px 8px' }}>
              <span style={{ color: theme.colors.text.secondary }}>{variable.label}</span>{' '}
              {settings.variables[variable.name] === '.*' ? 'All' : settings.variables[variable.name].replaceAll('|', ' + ')}
            </span>
          ))}
        </div>
        <div style={{ position: 'relative', height }}>{elements}</div>
      </div>
    </ThemeContext.Provider>
  );
  setTimeout(() => {
    document.title = 'done';
  }, 1500);
}

window.onerror = (message) => {
  document.title = `error ${message}`;
};
window.onunhandledrejection = (event) => {
  document.title = `error ${event.reason}`;
};
main();
