*** Comments ***
From a model file to a verdict, with the command tinygen itself; over QEMU.

*** Settings ***
Resource          ${CURDIR}/../../firmware/robot/tinygen.resource
Suite Teardown    Stop Emulator

*** Test Cases ***
Model Should Be Exact And Small
    Build Firmware    ${MODEL}    stm32f4    --vectors    3
    Run On Emulator
    Outputs Should Match
    Should Fit Budget    flash=16K    ram=4K
    Inference Should Take At Most    100_000

Too Small A Limit Should Fail The Build
    Run Keyword And Expect Error    tinygen ended with status 3*flash*
    ...    Build Firmware    ${MODEL}    stm32f4    --flash    1K
