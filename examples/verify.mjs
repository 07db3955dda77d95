// Who signed an image, and does a policy accept it?
//
//     node verify.mjs policy.json registry.example.com/team/app:1.0 manifest.json signature-1 signature-2
//
// `skopeo inspect --raw docker://IMAGE` prints the manifest. The signatures are the files that a lookaside has for it, in
// the order of their slots. The exit code is 0 where the image passes, 1 where not, 2 where a file cannot be used.

import { readFile } from 'node:fs/promises'
import { evaluatePolicy, formatKeyName, manifestDigest, Refusal, readPolicy, readSignature } from 'lookaside'

const [policyFile = '', image = '', manifestFile = '', ...signatureFiles] = process.argv.slice(2)

try {
  const report = await evaluatePolicy({
    policy: readPolicy(await readFile(policyFile)),
    readKeys: (path) => readFile(path),
    image,
    digest: manifestDigest(await readFile(manifestFile)),
    signatures: await Promise.all(signatureFiles.map(async (file) => readSignature(await readFile(file)))),
  })

  for (const { place, met, reason, by, tried, wanted = [] } of report.requirements) {
    console.log(`${place} is ${met ? 'met' : `not met: ${reason}`}`)
    for (const { slot, userId, primaryFingerprint, created } of by)
      console.log(`  signature ${slot} is by ${userId} (${primaryFingerprint}), made ${created}`)
    for (const { slot, verdict, reasons } of tried)
      console.log(`  signature ${slot} does not count for its ${reasons.join(' and ')}: ${verdict}`)
    for (const key of wanted) console.log(`  a signature by ${formatKeyName(key)} would help`)
  }
  console.log(`${report.image} ${report.passed ? 'passes' : 'does not pass'}`)
  process.exitCode = report.passed ? 0 : 1
} catch (error) {
  console.error(error instanceof Refusal ? `${error.code}: ${JSON.stringify(error.message)}` : error)
  process.exitCode = 2
}
