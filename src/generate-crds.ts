import { writeFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { canaryCrd } from './api/crd.ts'

/** Writes the CRDs, generated from the schemas, into `crds/`. */
const text = `# Generated from src/api: change the schemas there.\n${stringify(canaryCrd(), { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' })}`
await writeFile(new URL('../crds/serin.dev_canaries.yaml', import.meta.url), text)
