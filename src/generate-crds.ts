import { writeFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { canaryActionCrd } from './api/canary-action-crd.ts'
import { canaryCrd } from './api/crd.ts'

/** Writes the CRDs, generated from the schemas, into `crds/`. */
for (const [name, crd] of [['canaries', canaryCrd()], ['canaryactions', canaryActionCrd()]] as const) {
  const text = `# Generated from src/api: change the schemas there.\n${stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' })}`
  await writeFile(new URL(`../crds/serin.dev_${name}.yaml`, import.meta.url), text)
}
