*** Comments ***
Each keyword of tinygen.resource, on firmware that behaves and on firmware that does not. tests/emulated/test_robot.py
builds it for several boards and passes the folders and what the board's core calls a fault as variables; run by robot
over QEMU, by renode-test over Renode.

*** Settings ***
Resource          ${CURDIR}/../../firmware/robot/tinygen.resource
Suite Teardown    Stop Emulator

*** Variables ***
${SECONDS}        5
${KIND}           usage

*** Test Cases ***
Good Firmware Should Match And Fit
    Use Firmware    ${FIRMWARE}/good
    Run On Emulator
    Outputs Should Match
    Should Fit Budget    flash=6K    ram=1K
    Inference Should Take At Most    600

Tight Limits Should Fail
    Use Firmware    ${FIRMWARE}/good
    Run On Emulator
    Run Keyword And Expect Error    *bytes of flash, * more than 1K    Should Fit Budget    flash=1K
    Run Keyword And Expect Error    *bytes of ram, * more than 64    Should Fit Budget    ram=64
    Run Keyword And Expect Error    an inference took *, 1 were allowed    Inference Should Take At Most    1

Wrong Output Should Not Match
    Use Firmware    ${FIRMWARE}/wrong
    Run On Emulator
    Run Keyword And Expect Error    the reference says*the board*    Outputs Should Match

Undefined Instruction Should Be Reported
    Use Firmware    ${FIRMWARE}/undefined
    Run On Emulator
    Fault Should Be Reported    ${KIND}
    Run Keyword And Expect Error    the fault is of kind ${KIND}, not stack*    Fault Should Be Reported    stack
    Run Keyword And Expect Error    the firmware ended with TG fault*    Outputs Should Match

Stack Overflow Should Be Reported
    Use Firmware    ${FIRMWARE}/deep
    Run On Emulator
    Fault Should Be Reported    stack

Hanging Firmware Should Be Found
    Use Firmware    ${FIRMWARE}/hanging
    Run On Emulator    seconds=1
    Firmware Should Hang
    Run Keyword And Expect Error    the firmware hangs*    Outputs Should Match

Silent Uart Should Be Found
    Use Firmware    ${FIRMWARE}/silent
    Run On Emulator    seconds=1
    Uart Should Be Silent
    Run Keyword And Expect Error    the UART stayed silent*    Fault Should Be Reported    hard

Keywords Without Firmware Should Say So
    Run Keyword And Expect Error    *is not the output of a tinygen build*    Use Firmware    ${CURDIR}
