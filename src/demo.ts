import { systemClock } from './runtime/system-clock.ts'
import { openStage } from './demo/stage.ts'
import { Story } from './demo/story.ts'
import { differences } from './demo/outcome.ts'

const stop = new AbortController()
const stage = await openStage(systemClock, stop.signal)
const story = new Story(stage, stop.signal)
const out = await story.play()
for (const m of story.chronicle.moments) process.stdout.write(`${(m.atMs/1000).toFixed(1)} ${m.reason} ${m.note}\n`)
process.stdout.write(JSON.stringify(out, null, 1) + '\n' + differences(out).join('\n') + stage.operatorRequests() + '\n')
await stage.close()
process.stdout.write('closed\n')
console.log(process.getActiveResourcesInfo())
await systemClock.sleep(3000)
console.log(process.getActiveResourcesInfo())
