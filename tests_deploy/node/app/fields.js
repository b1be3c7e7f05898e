// The field options that the dashboards use, so that Grafana's own code applies defaults and overrides.
import {
  FieldConfigOptionsRegistry,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  dataLinksOverrideProcessor,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  transformDataFrame,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

const special = {
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
};
const plain = ['color', 'decimals', 'displayName', 'fieldMinMax', 'links', 'mappings', 'max', 'min', 'noValue', 'thresholds', 'unit'];

const option = (id, path, isCustom) => ({
  id,
  path,
  isCustom,
  name: id,
  process: special[id] ?? identityOverrideProcessor,
  shouldApply: () => true,
});

function registryFor({ defaults, overrides }) {
  const set = overrides.flatMap((override) => override.properties.map((property) => property.id));
  const overridden = set.filter((id) => id.startsWith('custom.')).map((id) => id.slice('custom.'.length));
  const custom = new Set([...Object.keys(defaults.custom ?? {}), ...overridden]);
  return new FieldConfigOptionsRegistry(() => [
    ...plain.map((name) => option(name, name, false)),
    ...[...custom].map((name) => option(`custom.${name}`, name, true)),
  ]);
}

const transformers = { merge: standardTransformers.mergeTransformer, organize: standardTransformers.organizeFieldsTransformer };
standardTransformersRegistry.setInit(() =>
  Object.entries(transformers).map(([id, transformation]) => ({
    id,
    name: id,
    transformation: () => Promise.resolve(transformation),
    editor: () => null,
  }))
);

export async function prepared(panel, frames, theme) {
  const transformed = panel.transformations?.length
    ? await lastValueFrom(transformDataFrame(panel.transformations, frames))
    : frames;
  const data = applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registryFor(panel.fieldConfig),
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(data);
  return data;
}
